"""The registry of the four benchmarks, and the check of what lies on disk."""

import json

import pytest
from helpers import FILES, save_official_layout

from icl.data.layouts import LAYOUTS
from icl.data.verify import report, verify

NAMES = sorted(LAYOUTS)


def test_every_layouts_counts_agree_with_the_stated_totals():
    images = {"cuhk-pedes": 40206, "icfg-pedes": 54522, "rstpreid": 20505, "ufine6926": 26206}
    for layout, total in images.items():
        assert sum(LAYOUTS[layout].images_count) == total


@pytest.mark.parametrize("layout", NAMES)
def test_a_small_benchmark_is_read_and_every_count_compared(layout, tmp_path):
    found = verify(layout, save_official_layout(layout, tmp_path), generated=False)
    train = found["splits"]["train"]
    assert (train["identities"], train["images"], train["captions"], train["mean_words"]) == (2, 4, 8, 9.0)
    assert found["status"] == "differs" and not found["unreadable"]
    assert f"train: 2 identities, not {LAYOUTS[layout].identities[0]}" in "\n".join(found["differences"])
    assert verify(layout, tmp_path, generated=True)["status"] == "ok"


@pytest.mark.parametrize("layout", NAMES)
def test_what_is_missing_is_named_with_the_steps_to_get_it(layout, tmp_path):
    found = verify(layout, tmp_path / "nowhere", generated=False)
    assert found["status"] == "missing" and "no such folder" in found["problem"]
    assert "(1)" in found["problem"] and FILES[layout] in found["problem"]
    text = report({"mine": found}, {"mine": layout})
    assert "## mine: missing" in text and "(1)" in text


def test_unreadable_and_duplicate_images_and_shared_identities_are_found(tmp_path):
    root = save_official_layout("cuhk-pedes", tmp_path)
    rows = json.loads((root / "reid_raw.json").read_text())
    first, second, third = (root / "imgs" / rows[k]["file_path"] for k in range(3))
    second.write_bytes(first.read_bytes())
    third.write_bytes(third.read_bytes()[:40])
    rows[-1]["id"] = rows[0]["id"]
    rows[0]["captions"][1] = rows[0]["captions"][0]
    (root / "reid_raw.json").write_text(json.dumps(rows))
    found = verify("cuhk-pedes", root, generated=True)
    train = found["splits"]["train"]
    assert (train["duplicate_images"], train["unreadable_images"], train["duplicate_captions"]) == (1, 1, 1)
    assert str(third) in found["unreadable"][0]
    assert any("more than one split" in line for line in found["differences"])
    assert str(third) in report({"mine": found}, {"mine": "cuhk-pedes"})


def test_a_superseded_split_is_recognised(tmp_path):
    root = save_official_layout("rstpreid", tmp_path, identities=1)
    rows = json.loads((root / "data_captions.json").read_text())
    image = rows[0]["img_path"]
    counts = {"train": 3901, "val": 100, "test": 100}
    rows, number = [], 0
    for split, count in counts.items():
        for _ in range(count):
            number += 1
            rows.append({"split": split, "id": number, "img_path": image, "captions": ["a", "b"]})
    (root / "data_captions.json").write_text(json.dumps(rows))
    found = verify("rstpreid", root, generated=False)
    assert found["status"] == "refused" and "3901/100/100" in found["problem"]
