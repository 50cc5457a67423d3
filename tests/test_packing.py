"""Packed dialogues must be the very sequences that inference runs."""

import random

import pytest
import torch

from icl.data.synth.corpus import VL_CAMERAS, make_corpus
from icl.mllm.qwen2vl import mrope_positions
from icl.pretrain import instructions as ask
from icl.pretrain import synthvl
from icl.pretrain.packing import pack
from icl.pretrain.vision import Eye, patchify


@pytest.fixture(scope="module")
def parts():
    torch.manual_seed(0)
    corpus = make_corpus(5, 4, 2, VL_CAMERAS, workers=1)
    tokenizer = synthvl.build_tokenizer(corpus, 1)
    return corpus, tokenizer, synthvl.build_model(tokenizer).eval(), synthvl.build_processor(tokenizer)


def test_patchify_equals_the_stock_image_processor(parts):
    corpus, _, _, processor = parts
    stock = processor.image_processor(list(torch.from_numpy(corpus.images).permute(0, 3, 1, 2)), return_tensors="pt")
    eye = Eye(None, processor.image_processor)
    rows = patchify(torch.from_numpy(corpus.images), eye.mean, eye.std, 8, 2, 2)
    assert torch.allclose(rows, stock["pixel_values"], atol=1e-5)


def test_a_packed_block_gives_the_stock_model_s_logits(parts):
    corpus, tokenizer, model, processor = parts
    encoder, rng = ask.Encoder(tokenizer), random.Random(0)
    seen = corpus.seen[0]
    dialogues = [ask.localise(seen, None, rng), ask.describe_image(seen), ask.localise(seen, corpus.seen[5], rng)]
    prefix = encoder.image_prefix(18)
    blocks = encoder.blocks(dialogues)
    packed = pack(prefix, mrope_positions(encoder.before, (6, 3), 1), [blocks], tokenizer.pad_token_id)
    images = torch.from_numpy(corpus.images[:1])
    with torch.no_grad():
        visual = Eye(model.model.visual, processor.image_processor)(images)
        embeds = model.model.language_model.embed_tokens(packed.ids)
        embeds[:, encoder.before : encoder.before + 18] = visual
        hidden = model.model.language_model(
            inputs_embeds=embeds, attention_mask=packed.mask, position_ids=packed.positions, use_cache=False
        ).last_hidden_state
        at = len(prefix)
        for dialogue, block in zip(dialogues, blocks, strict=True):
            messages = [
                {"role": "user", "content": [{"type": "image"}, {"type": "text", "text": dialogue.text}]},
                {"role": "assistant", "content": dialogue.answer},
            ]
            text = processor.apply_chat_template(messages, tokenize=False).removesuffix("\n")
            inputs = processor(text=[text], images=[images[0].permute(2, 0, 1)], return_tensors="pt")
            assert inputs["input_ids"][0].tolist() == prefix + block.ids
            stock = model.model(**inputs).last_hidden_state[0]
            mine = torch.cat([hidden[0, : len(prefix)], hidden[0, at : at + len(block.ids)]])
            assert torch.allclose(stock, mine, atol=1e-4)
            at += len(block.ids)
