"""SynthPEDES: determinism, disjoint identities, layout on disk, and a language that can be read back."""

import json
import random
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from icl.data.settings import DatasetSettings
from icl.synthpedes import dialogue
from icl.synthpedes.attributes import (
    CITY,
    in_benchmark,
    in_pretraining,
    sample_family,
    sample_identity,
    sample_shot,
    visible,
)
from icl.synthpedes.benchmark import draw_contact_sheet, sample_identities, write_benchmark
from icl.synthpedes.captions import BENCHMARK_STYLE, state, write_caption
from icl.synthpedes.corpus import VL_CAMERAS, make_corpus
from icl.synthpedes.domains import DOMAINS
from icl.synthpedes.reading import read_facts
from icl.synthpedes.render import render

SMALL = DatasetSettings(generator="synth", train_identities=6, val_identities=4, test_identities=5)


@pytest.fixture(scope="module")
def written(tmp_path_factory):
    folder = tmp_path_factory.mktemp("synth")
    write_benchmark(SMALL, folder / "set", folder / "truth.parquet")
    return folder


def test_the_layout_is_that_of_cuhk_pedes(written):
    rows = json.loads((written / "set" / "reid_raw.json").read_text())
    assert set(rows[0]) == {"split", "captions", "file_path", "processed_tokens", "id"}
    assert len(rows) == 15 * SMALL.images_per_identity
    assert min(row["id"] for row in rows) == 1
    assert all((written / "set" / "imgs" / row["file_path"]).is_file() for row in rows)
    ids = {split: {r["id"] for r in rows if r["split"] == split} for split in ("train", "val", "test")}
    assert not ids["train"] & ids["val"] and not ids["train"] & ids["test"] and not ids["val"] & ids["test"]


def test_attributes_stay_outside_the_benchmark_folder(written):
    names = {path.suffix for path in (written / "set").rglob("*") if path.is_file()}
    assert names == {".json", ".jpg"}
    assert set(pd.read_parquet(written / "truth.parquet").columns) == {"file_path", "pid", "split", "seen", "said"}


def test_one_seed_gives_the_same_bytes(written, tmp_path):
    write_benchmark(SMALL, tmp_path / "set", tmp_path / "truth.parquet")
    for path in sorted((written / "set").rglob("*.*")):
        assert path.read_bytes() == (tmp_path / "set" / path.relative_to(written / "set")).read_bytes()
    write_benchmark(replace(SMALL, seed=8), tmp_path / "other", tmp_path / "truth.parquet")
    ours, other = (f / "reid_raw.json" for f in (written / "set", tmp_path / "other"))
    assert ours.read_bytes() != other.read_bytes()


def test_contact_sheet_is_drawn(written, tmp_path):
    draw_contact_sheet(written / "set", tmp_path / "sheet.png", identities=4)
    assert (tmp_path / "sheet.png").stat().st_size > 5000


def test_benchmark_and_pretraining_never_share_an_appearance():
    rng = random.Random(0)
    people = [p for domain in DOMAINS.values() for p in sample_identities(rng, 60, set(), domain)]
    assert len(set(people)) == 60 * len(DOMAINS) and all(in_benchmark(p) and not in_pretraining(p) for p in people)
    assert all(sum(domain.holds(p) for domain in DOMAINS.values()) == 1 for p in people)


def test_family_members_differ_in_one_or_two_attribute_groups():
    rng = random.Random(1)
    for _ in range(20):
        first, *others = sample_family(rng, in_pretraining)
        for other in others:
            changed = [k for k in vars(first) if getattr(first, k) != getattr(other, k)]
            assert 1 <= len(changed) <= 4  # a hat or a garment brings its colour along


def test_a_corpus_does_not_depend_on_the_number_of_workers():
    one, two = (make_corpus(3, 8, 2, VL_CAMERAS, workers=w) for w in (1, 2))
    assert np.array_equal(one.images, two.images) and one.seen == two.seen


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 2**31))
def test_what_is_written_can_be_read_back(seed):
    rng = random.Random(seed)
    seen = visible(sample_identity(rng), sample_shot(rng, CITY))
    said = state(seen, BENCHMARK_STYLE, rng)
    texts = [(write_caption(said, rng, 0.5), said)] if said else []
    merged = dialogue.merge(said, seen)
    texts += [(dialogue.describe(merged), merged), (" ".join(dialogue.sub_sentences(merged)), merged)]
    for text, facts in texts:
        found = read_facts(text)
        assert {key: found.get(key) for key in facts} == facts


def test_pictures_show_their_clothes():
    rng = random.Random(2)
    person = replace(sample_identity(rng), upper="t-shirt", pattern="plain", scarf="", backpack="", belt="")
    shot = replace(sample_shot(rng, CITY), view="front", held="", gain=1.0, occlusion=0.0, noise=0.0, scale=1.0)
    shot = replace(shot, shift_x=0.0, shift_y=0.0, tint=(1.0, 1.0, 1.0), blur=0.0, action="standing")
    red, blue = (render(replace(person, upper_colour=colour), shot)[30:44, 20:28] for colour in ("red", "blue"))
    assert red[..., 0].mean() > red[..., 2].mean() + 60 and blue[..., 2].mean() > blue[..., 0].mean() + 60


def test_vqa_truth_has_fifteen_answers():
    rng = random.Random(3)
    for _ in range(50):
        answers = dialogue.vqa_answers(visible(sample_identity(rng), sample_shot(rng, CITY)))
        assert len(answers) == 15 and all(answer.endswith(".") for answer in answers)


def test_no_stage_after_the_generator_reads_attributes():
    """Only the generator, pre-training and measuring may import what knows the truth."""
    allowed = {"icl/data/synth", "icl/pretrain"}
    offenders = []
    for path in Path("icl").rglob("*.py"):
        if not any(str(path).startswith(room) for room in allowed) and "data.synth" in path.read_text():
            offenders.append(str(path))
    assert not offenders
