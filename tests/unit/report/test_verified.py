"""The paper's figures stand beside a public benchmark's own rows, and beside no others."""

import json

import pandas as pd
import pytest
from helpers import official_pairs

from icl.data.layouts import LAYOUTS
from icl.data.pairs import write_pairs
from icl.report.transfer_tables import transfer_table
from icl.report.verified import incomparable, notes
from icl.workflow.config import load_settings
from icl.workflow.rows import transfers

NAMES = {layout.title: name for name, layout in LAYOUTS.items()}


def run(tmp_path, **datasets):
    """Settings of a run whose pairs tables are the official ones of the benchmarks' layouts."""
    known = {name: {"root": "x", "xi": 0.5, **spec} for name, spec in datasets.items()}
    settings = load_settings({"datasets": known, "results": str(tmp_path)})
    for name, spec in settings.datasets.items():
        write_pairs(official_pairs(spec.layout), tmp_path / "pairs" / f"{name}.parquet")
    return settings


def change(tmp_path, name, edit):
    path = tmp_path / "pairs" / f"{name}.parquet"
    write_pairs(edit(pd.read_parquet(path)), path)


@pytest.mark.parametrize("title", NAMES)
def test_a_benchmark_with_its_owners_counts_is_compared(title, tmp_path):
    settings = run(tmp_path, **{title: {"layout": NAMES[title]}})
    assert incomparable(settings, tmp_path, settings.datasets) == {}


EDITS = {
    "a caption less": (lambda pairs: pairs.iloc[1:], "captions, not 68126"),
    "three identities": (lambda pairs: pairs[pairs.pid <= 3], "train: 3 identities, not 11003"),
    "an image more": (
        lambda pairs: pd.concat(
            [pairs, pairs.tail(1).assign(image_id=10**6, image="x.jpg", caption_id=-1, caption=None)], ignore_index=True
        ),
        "test: 3075 images, not 3074",
    ),
    "an identity of train in test": (
        lambda pairs: pairs.assign(pid=pairs.pid.where(pairs.pid != pairs.pid.max(), 1)),
        "1 identities in more than one split",
    ),
}


@pytest.mark.parametrize("name", EDITS)
def test_another_content_under_its_name_is_not_compared(name, tmp_path):
    edit, reason = EDITS[name]
    settings = run(tmp_path, **{"CUHK-PEDES": {}})
    change(tmp_path, "CUHK-PEDES", edit)
    found = incomparable(settings, tmp_path, settings.datasets)
    assert reason in found["CUHK-PEDES"]
    assert notes(found) == [f"CUHK-PEDES is not compared with the paper: {found['CUHK-PEDES']}."]


def test_a_name_alone_makes_no_benchmark(tmp_path):
    settings = run(tmp_path, **{"ICFG-PEDES": {"layout": "rstpreid"}, "mine": {"layout": "rstpreid"}})
    assert incomparable(settings, tmp_path, settings.datasets) == {"ICFG-PEDES": "it is read in the layout of RSTPReid"}
    made = {"root": "", "generator": "synth", "train_identities": 3, "val_identities": 3, "test_identities": 3}
    settings = run(tmp_path, **{"CUHK-PEDES": made})
    assert incomparable(settings, tmp_path, settings.datasets) == {"CUHK-PEDES": "it is generated"}


def test_a_transfer_is_compared_where_both_ends_are(tmp_path):
    settings = run(
        tmp_path, **{"CUHK-PEDES": {}, "RSTPReid": {"layout": "rstpreid"}, "ICFG-PEDES": {"layout": "icfg-pedes"}}
    )
    for _, target, _, row, seed in transfers(settings):
        file = tmp_path / row.folder(target, seed) / ("metrics.json" if row.way else "test.json")
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(json.dumps(dict(rank1=1, rank5=50, rank10=60, map=40, minp=30)))
    change(tmp_path, "RSTPReid", lambda pairs: pairs.iloc[1:])
    table = transfer_table(settings, tmp_path, fine=False)
    compared = table[table["Paper Rank-1"] != "-"]
    assert set(zip(compared.Source, compared.Target, strict=True)) >= {("CUHK-PEDES", "ICFG-PEDES")}
    assert "RSTPReid" not in {*compared.Source, *compared.Target}
