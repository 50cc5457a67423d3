"""Random CLIPs: a small one, and one of ViT-B/16's size."""

import torch
from transformers import CLIPConfig, CLIPModel

from icl.retriever.weights.names import to_published

SMALL = dict(vision=dict(hidden_size=64, layers=2, patch=8, image=64), text=dict(hidden_size=64, layers=2, vocab=100))
VIT_B16 = dict(
    vision=dict(hidden_size=768, layers=12, patch=16, image=224), text=dict(hidden_size=512, layers=12, vocab=49408)
)


def random_clip(size: dict, dim: int, seed: int = 0) -> CLIPModel:
    torch.manual_seed(seed)
    v, t = size["vision"], size["text"]
    vision = dict(hidden_size=v["hidden_size"], intermediate_size=4 * v["hidden_size"], num_hidden_layers=v["layers"])
    vision |= dict(num_attention_heads=v["hidden_size"] // 64, patch_size=v["patch"], image_size=v["image"])
    text = dict(hidden_size=t["hidden_size"], intermediate_size=4 * t["hidden_size"], num_hidden_layers=t["layers"])
    text |= dict(num_attention_heads=t["hidden_size"] // 64, vocab_size=t["vocab"], max_position_embeddings=77)
    text |= dict(bos_token_id=t["vocab"] - 2, eos_token_id=t["vocab"] - 1, pad_token_id=0)
    return CLIPModel(CLIPConfig(vision_config=vision, text_config=text, projection_dim=dim)).eval()


def clip_names(tensors: dict) -> dict:
    """A whole CLIP's weights in OpenAI's names."""
    published = to_published({f"backbone.{name}": tensor for name, tensor in tensors.items()})
    return {name.removeprefix("base_model."): tensor for name, tensor in published.items()}
