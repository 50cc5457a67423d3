"""Where models compute, and what fits a card (`make gpu`)."""

import pytest
import torch

from icl.device import chosen_device
from icl.errors import InputError
from icl.mllm.qwen.model import arithmetic
from icl.retriever.world import World
from tests.gpu.sizes import LAYERS, layers_for


@pytest.mark.parametrize("word, card, device", [("", False, "cpu"), ("", True, "cuda"), ("cpu", True, "cpu")])
def test_the_first_card_or_what_the_variable_says(monkeypatch, word, card, device):
    monkeypatch.setenv("ICL_DEVICE", word)
    monkeypatch.setattr(torch.cuda, "is_available", lambda: card)
    assert chosen_device().type == device
    assert arithmetic("auto") == (torch.bfloat16 if device == "cuda" else torch.float32)
    if device == "cpu":
        assert World.current().device.type == "cpu"


@pytest.mark.parametrize("word, found", [("gpu", "'gpu'"), ("cuda", "no card")])
def test_a_device_that_is_none_is_refused_in_words(monkeypatch, word, found):
    monkeypatch.setenv("ICL_DEVICE", word)
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    with pytest.raises(InputError, match=f"ICL_DEVICE: found .*{found}"):
        chosen_device()


def test_the_7b_models_layers_fit_a_card_of_24_gb_and_fewer_a_smaller_one():
    assert layers_for(24) == LAYERS and layers_for(80) == LAYERS
    assert 1 < layers_for(12) < LAYERS and layers_for(None) == 1
