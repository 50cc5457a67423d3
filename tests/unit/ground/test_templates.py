"""The templates of docs/extending.md do what the page says."""

import re
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from running import HOUSE

from icl.data.layouts import Layout
from icl.mllm.protocol import YES_NO, Request
from icl.mllm.settings import MLLMSettings
from icl.ranking.scores import MatrixScores
from icl.report.figures.base import Figure
from icl.retriever.losses.base import total

PAGE = (HOUSE / "docs" / "extending.md").read_text()
BLOCKS = re.findall(r"^```python\n(.*?)^```", PAGE, re.M | re.S)


def names_of(part: str) -> dict:
    """What the one block with this line defines."""
    (block,) = [block for block in BLOCKS if part in block]
    names = {"__name__": "template"}
    exec(compile(block, "docs/extending.md", "exec"), names)
    return names


def test_there_is_one_of_each_kind():
    assert re.findall(r"^## (?:A|An) (.+)$", PAGE, re.M) == [
        "matching loss",
        "annotation layout",
        "MLLM back-end",
        "way to re-rank",
        "figure",
    ]
    assert len(BLOCKS) == 5


def test_the_loss_prefers_the_pair_itself():
    loss = names_of("def squared")["squared"]
    scores, pids = torch.tensor([[0.9, 0.1], [0.2, 0.8]]), torch.tensor([3, 4])
    values = loss(scores, pids, 0.015, 0.1)
    assert values.tolist() == pytest.approx([0.01 + 0.01, 0.04 + 0.04])
    assert total(loss, values, torch.tensor([1, 1])).item() == pytest.approx(0.05), "averaged, not summed"


def test_the_layout_reads_its_file(tmp_path):
    layout = names_of("SHOP = Layout")["SHOP"]
    path = tmp_path / layout.files[0]
    path.write_text("split,person,picture,words\ntest,7,a.png,A man.\ntest,7,a.png,A tall man.\ntest,8,b.png,A girl.\n")
    first, second = layout.read(path)
    assert isinstance(layout, Layout) and layout.has_val
    assert first == {"split": "test", "id": 7, "file_path": "a.png", "captions": ["A man.", "A tall man."]}
    assert second["id"] == 8


def test_the_back_end_answers_in_order():
    backend = names_of("class MyBackend")["MyBackend"](MLLMSettings())
    asked = [Request("localise", "Is it?", None, 4, YES_NO), Request("vqa", "What?", None, 4)]
    verdict, text = backend.answer(asked)
    assert verdict.probabilities == {"Yes": 0.5, "No": 0.5} and text.error
    assert backend.identity("vqa")["model"] == MLLMSettings().model
    backend.forget_images()


def test_the_way_chooses_on_val_and_re_ranks():
    way = names_of("class Sharpened")["Sharpened"]()
    scores = MatrixScores(np.array([[0.9, 0.1], [0.6, 0.4]], dtype=np.float32))
    pids = SimpleNamespace(text_pids=np.array([0, 1]), image_pids=np.array([0, 1]))
    split = SimpleNamespace(embeddings=pids, part=lambda queries=None: scores, texts=lambda queries=None: ["a", "b"])
    assert way.fixed(None, None, False)["sharpening"] == 0.5 and way.fixed(None, None, True) is None
    chosen = way.choose(split, None, {})
    assert chosen["sharpening"] == 0.25 and len(chosen["sweep"]) == 3
    found = way.rerank(split, None, chosen)
    assert np.allclose(found.scores.rows(slice(None)), scores.matrix) and len(found.records) == 2


def test_the_figure_is_drawn_from_its_inputs(tmp_path):
    names = names_of("DOTS = Figure")
    table = tmp_path / "table.csv"
    table.write_text("method,rank1\nRDE,50\nICL,54\n")
    assert isinstance(names["DOTS"], Figure)
    assert names["DOTS"].inputs(SimpleNamespace(results=str(tmp_path)), "any") == [str(table)]
    (axis,) = names["draw"]([table], None).axes
    assert axis.lines[0].get_xdata().tolist() == [50, 54]
