"""SynthVL's tokenizer: a small byte-level BPE in Qwen2-VL's form, with fixed phrases as single tokens."""

from __future__ import annotations

from tokenizers import AddedToken, Tokenizer, decoders, models, pre_tokenizers, trainers
from transformers import PreTrainedTokenizerFast

SPECIAL = (
    "<|endoftext|>",
    "<|im_start|>",
    "<|im_end|>",
    "<|vision_start|>",
    "<|vision_end|>",
    "<|vision_pad|>",
    "<|image_pad|>",
    "<|video_pad|>",
)
OPENINGS = (
    "The person is wearing", "The person is not wearing", "The person is carrying", "The person is not carrying a",
    "The person is holding", "The person is not holding anything.", "The person is", "The person has",
    "Yes, the person is wearing", "Yes, the person is carrying", "Yes, the person is holding",
    "No, the person is not wearing", "No, the person is not carrying a backpack.",
    "No, the person is not holding anything.", "Yes, the clothes are", "Yes, the clothes have a",
    "No, the clothes are plain.", "Yes, there are other people in the background.",
    "No, there are no other people in the background.", "There are other people in the background.",
    "There are no other people in the background.", "The background is a", "The clothes are", "The clothes have a",
)  # fmt: skip
CHAT_TEMPLATE = (
    "{% for m in messages %}{% if loop.first and m['role'] != 'system' %}"
    "<|im_start|>system\nYou are a helpful assistant.<|im_end|>\n{% endif %}"
    "<|im_start|>{{ m['role'] }}\n{% if m['content'] is string %}{{ m['content'] }}{% else %}"
    "{% for c in m['content'] %}{% if c['type'] in ('image', 'image_url') %}"
    "<|vision_start|><|image_pad|><|vision_end|>{% elif c['type'] == 'video' %}"
    "<|vision_start|><|video_pad|><|vision_end|>{% elif 'text' in c %}{{ c['text'] }}{% endif %}{% endfor %}"
    "{% endif %}<|im_end|>\n{% endfor %}{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)


TURNS = ("system\n", "user\n", "assistant\n")


def _prompt_pieces(prompts: list[str]) -> list[str]:
    """Lines of the prompts, each with the line break before it."""
    pieces = set()
    for prompt in prompts:
        first, *rest = prompt.split("\n")
        pieces.update([first, *(f"\n{line}" for line in rest)])
    return sorted(piece for piece in pieces if piece.strip())


def train_tokenizer(texts: list[str], prompts: list[str], vocabulary: int) -> PreTrainedTokenizerFast:
    """Learn a BPE of at most `vocabulary` tokens.

    Args:
        texts: captions and answers to learn merges from.
        prompts: prompt texts; each of their lines becomes one token, so that an instruction costs little.
    """
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    phrases = [
        *_prompt_pieces(prompts),
        *OPENINGS,
        "1. ",
        *(f"\n{k}. " for k in range(2, 16)),
        *TURNS,
        "']",
        "', '",
    ]
    trainer = trainers.BpeTrainer(
        vocab_size=vocabulary - len(phrases),
        special_tokens=list(SPECIAL),
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    tokenizer.train_from_iterator(texts, trainer)
    tokenizer.add_tokens([AddedToken(phrase, normalized=False, special=False) for phrase in phrases])
    fast = PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        eos_token="<|im_end|>",
        pad_token="<|endoftext|>",
        additional_special_tokens=list(SPECIAL),
        clean_up_tokenization_spaces=False,
        padding_side="left",
    )
    fast.chat_template = CHAT_TEMPLATE
    return fast
