"""Plug-ins of another package, one file each, in a whole run: a loss, a layout, a back-end, a way to re-rank, a figure."""

import csv
import json
import os
import shutil
import subprocess
from pathlib import Path

import pandas as pd
import pytest
import yaml
from running import HOUSE, command

from icl.data.settings import DatasetSettings
from icl.files import read_records
from icl.synthpedes.benchmark import write_benchmark

ENTRY_POINTS = """[icl.losses]
squared = icl_toy.loss:squared
[icl.layouts]
toy = icl_toy.layout:LAYOUT
[icl.backends]
brightness = icl_toy.backend:Brightness
[icl.ways]
second = icl_toy.way:SECOND
[icl.figures]
dots = icl_toy.figure:FIGURE
"""
CONFIG = {
    "datasets": {"people": {"layout": "toy", "root": "people"}},
    "methods": ["RDE", "RDE+Second"],
    "threads": 1,
    "bootstrap": 50,
    "retriever": {"loss": "squared", "epochs": 1, "batch_size": 16},
    "mllm": {"backend": "brightness"},
    "thi": {"timing_queries": 4, "timing_passes": 1},
}


def install(folder: Path, points: str = ENTRY_POINTS, version: str = "1.0") -> dict:
    """The package as pip leaves it, below a folder; the environment that sees it."""
    shutil.copytree(Path(__file__).parent / "icl_toy", folder / "icl_toy", dirs_exist_ok=True)
    about = folder / "icl_toy.dist-info"
    about.mkdir(exist_ok=True)
    (about / "METADATA").write_text(f"Metadata-Version: 2.1\nName: icl-toy\nVersion: {version}\n")
    (about / "entry_points.txt").write_text(points)
    return {**os.environ, "PYTHONPATH": os.pathsep.join([str(folder), str(HOUSE)])}


def write_people(folder: Path) -> None:
    """A drawn benchmark in the toy layout."""
    spec = DatasetSettings(train_identities=12, val_identities=6, test_identities=6, images_per_identity=2)
    write_benchmark(spec, folder / "drawn", folder / "truth.parquet")
    (folder / "drawn" / "imgs").rename(folder / "pictures")
    with open(folder / "people.csv", "w", newline="") as file:
        lines = csv.writer(file)
        lines.writerow(["split", "person", "picture", "words"])
        for one in json.loads((folder / "drawn" / "reid_raw.json").read_text()):
            lines.writerows([one["split"], one["id"], one["file_path"], words] for words in one["captions"])


def run(folder: Path, environment: dict, *words: str) -> subprocess.CompletedProcess:
    (folder / "config.yaml").write_text(yaml.safe_dump(CONFIG))
    call = command(folder, *words, "--configfile", str(folder / "config.yaml"))
    return subprocess.run(call, capture_output=True, text=True, env=environment, timeout=600)


@pytest.mark.slow
def test_five_plugins_of_another_package_make_a_table_and_a_figure(tmp_path):
    write_people(tmp_path / "people")
    environment = install(tmp_path / "site")
    done = run(tmp_path, environment, "results/table.csv", "results/figures/people/dots.png")
    assert done.returncode == 0, done.stderr[-3000:]
    results = tmp_path / "results"
    table = pd.read_csv(results / "table.csv").set_index("method")
    assert list(table.index) == ["RDE", "RDE+Second"]
    assert (results / "figures/people/dots.png").stat().st_size > 1000
    model = json.loads((results / "retriever/people/rde/seed1/model.json").read_text())
    assert "squared" in json.dumps(model)
    records = list(read_records(results / "second/people/rde/base/seed1/record.jsonl"))
    said = [record["yes_probability"][0] >= 0.5 for record in records]
    assert len(said) == 24 and any(said) and not all(said), "the pixels decide"
    moved = [record["rank_after"] != record["rank_before"] for record in records]
    assert any(moved) and not any(m and s for m, s in zip(moved, said, strict=True)), "only what was denied moves"

    again = run(tmp_path, install(tmp_path / "site", version="2.0"), "-n", "results/table.csv")
    text = again.stdout + again.stderr
    assert "train_retriever" in text and "rerank" in text, "another version of a plug-in runs its stages again"
    assert "Nothing to be done" in (run(tmp_path, install(tmp_path / "site"), "-n", "results/table.csv").stdout)


def test_a_choice_that_no_package_brings_lists_those_there_are(tmp_path):
    (tmp_path / "people").mkdir()
    done = run(tmp_path, {**os.environ, "PYTHONPATH": str(HOUSE)}, "-n")
    assert done.returncode != 0 and "Traceback" not in done.stderr
    assert (
        "'squared'" in done.stderr and "'tal'" in done.stderr or "'toy'" in done.stderr and "'rstpreid'" in done.stderr
    )


@pytest.mark.parametrize(
    "points, words",
    [
        ("[icl.losses]\nsquared = icl_toy.nowhere:squared\n", ("entry point squared", "icl-toy", "No module named")),
        ("[icl.losses]\ntal = icl_toy.loss:squared\n", ("entry point tal", "icl-toy", "taken")),
        ("[icl.ways]\nsecond = icl_toy.way:Missing\n", ("entry point second", "icl-toy", "Missing")),
        ("[icl.ways]\nsecond = icl_toy.way:Second\n", ("entry point second", "icl-toy", "an instance of Way")),
    ],
)
def test_a_broken_plugin_is_named(tmp_path, points, words):
    code = "from icl.retriever.losses import LOSSES\nfrom icl.workflow.methods import ROWS\nLOSSES['squared']"
    environment = install(tmp_path, points)
    done = subprocess.run([os.sys.executable, "-c", code], capture_output=True, text=True, env=environment)
    last = done.stderr.strip().splitlines()[-1]
    assert "InputError" in last and all(word in last for word in words), last
