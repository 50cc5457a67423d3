"""Packed dialogues must be the very sequences that inference runs."""

import random

import pytest
import torch

from icl.mllm.qwen.model import mrope_positions
from icl.pretrain import instructions as ask
from icl.pretrain import synthvl
from icl.pretrain.packing import block_states
from icl.pretrain.vision import Eye, patchify
from icl.synthpedes.corpus import VL_CAMERAS, make_corpus


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


def test_a_block_behind_a_shared_prefix_gives_the_stock_model_s_states(parts):
    corpus, tokenizer, model, processor = parts
    encoder, rng = ask.Encoder(tokenizer), random.Random(0)
    samples = []
    for n in range(2):
        seen = corpus.seen[n]
        dialogues = [ask.localise(seen, None, rng), ask.describe_image(seen), ask.localise(seen, [corpus.seen[5]], rng)]
        samples.append((dialogues, encoder.blocks(dialogues)))
    dialogue_of = {id(block): d for dialogues, blocks in samples for d, block in zip(dialogues, blocks, strict=True)}
    images = torch.from_numpy(corpus.images[:2])
    prefix_ids = encoder.image_prefix(18)
    with torch.no_grad():
        visual = Eye(model.model.visual, processor.image_processor)(images)
        prefix = model.model.language_model.embed_tokens(torch.tensor([prefix_ids, prefix_ids]))
        prefix[:, encoder.before : encoder.before + 18] = visual
        positions = mrope_positions(encoder.before, (6, 3), 1)
        checked = 0
        for group, out in block_states(model, prefix, positions, [blocks for _, blocks in samples], size=4):
            for row, (n, block) in enumerate(group):
                dialogue = dialogue_of[id(block)]
                messages = [
                    {"role": "user", "content": [{"type": "image"}, {"type": "text", "text": dialogue.text}]},
                    {"role": "assistant", "content": dialogue.answer},
                ]
                text = processor.apply_chat_template(messages, tokenize=False).removesuffix("\n")
                inputs = processor(text=[text], images=[images[n].permute(2, 0, 1)], return_tensors="pt")
                assert inputs["input_ids"][0].tolist() == prefix_ids + block.ids
                stock = model.model(**inputs).last_hidden_state[0, len(prefix_ids) :]
                assert torch.allclose(stock, out.last_hidden_state[row, : len(block.ids)], atol=1e-4)
                checked += 1
    assert checked == 6


def test_marks_stand_at_the_ends_of_phrases_and_tell_what_contradicts(parts):
    corpus, tokenizer, _, _ = parts
    encoder, rng = ask.Encoder(tokenizer), random.Random(1)
    seen, other = corpus.seen[0], corpus.seen[5]
    for _ in range(30):
        dialogue = ask.localise(seen, [other] if other else None, rng)
        block = encoder.blocks([dialogue])[0]
        assert (dialogue.answer == "No") == any(label for _, label in block.marks)
        for (end, _), (place, _) in zip(dialogue.marks, block.marks, strict=True):
            assert tokenizer.decode(block.ids[: place + 1]) == dialogue.text[:end]
