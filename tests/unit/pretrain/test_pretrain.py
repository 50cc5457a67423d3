"""The shipped models: checksums, size, and a recipe that runs from end to end (at toy size) and resumes."""

import pytest
import torch
from running import HOUSE

from icl.errors import InputError
from icl.files import verify_checksums, write_checksums
from icl.pretrain import pretrain
from icl.pretrain.muon import orthogonalise
from icl.pretrain.settings import PretrainSettings
from icl.retriever.settings import RetrieverSettings
from icl.retriever.weights.checkpoints import new_retriever

MODELS = HOUSE / "models"
TINY = PretrainSettings(
    threads=1,
    clip_identities=12,
    clip_steps=2,
    clip_batch=8,
    vl_identities=24,
    vl_vision_steps=1,
    vl_text_steps=1,
    vl_mixture_steps=(2, 2, 2),
    held_out_identities=2,
)


@pytest.mark.parametrize("name", ["synthclip", "synthvl"])
def test_shipped_weights_match_their_checksums_and_have_a_card(name):
    verify_checksums(MODELS / name)
    card = (MODELS / name / "README.md").read_text()
    assert all(part in card for part in ("## Data and recipe", "## Quality on unseen identities", "## Use and limits"))


def test_shipped_weights_fit_forty_megabytes():
    assert sum(path.stat().st_size for path in MODELS.rglob("*.safetensors")) < 40e6


def test_a_changed_weight_is_found(tmp_path):
    (tmp_path / "model.safetensors").write_bytes(b"weights")
    write_checksums(tmp_path)
    verify_checksums(tmp_path)
    (tmp_path / "model.safetensors").write_bytes(b"wights")
    with pytest.raises(InputError, match="model.safetensors"):
        verify_checksums(tmp_path)


def test_synthclip_can_be_retrained_and_read_as_a_retriever(tmp_path):
    pretrain("synthclip", TINY, tmp_path / "work", tmp_path / "clip")
    verify_checksums(tmp_path / "clip")
    model, tokenizer = new_retriever(RetrieverSettings(checkpoint=str(tmp_path / "clip")))
    assert tokenizer.encode(["a man"])[0, -1] == tokenizer.end and model.backbone.grid == (12, 6)


def test_synthvl_can_be_retrained_and_resumes_after_a_stage(tmp_path):
    pretrain("synthvl", TINY, tmp_path / "work", tmp_path / "vl")
    stages = sorted(path.name for path in (tmp_path / "work").glob("*.safetensors"))
    assert stages == [f"{name}.safetensors" for name in ("assistant", "joint", "lenient", "text", "vision")]
    before = (tmp_path / "vl" / "model.safetensors").read_bytes()
    times = {name: (tmp_path / "work" / name).stat().st_mtime_ns for name in stages}
    pretrain("synthvl", TINY, tmp_path / "work", tmp_path / "again")
    assert (tmp_path / "again" / "model.safetensors").read_bytes() == before
    assert times == {name: (tmp_path / "work" / name).stat().st_mtime_ns for name in stages}
    assert "vqa_attribute_accuracy" in (tmp_path / "vl" / "README.md").read_text()


@pytest.mark.parametrize("shape", [(2, 6, 10), (1, 12, 5)])
def test_orthogonalise_makes_singular_values_nearly_one(shape):
    stack = torch.randn(shape, generator=torch.Generator().manual_seed(0))
    values = torch.linalg.svdvals(orthogonalise(stack))
    assert ((values > 0.5) & (values < 1.3)).all()
