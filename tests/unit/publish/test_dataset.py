"""SynthPEDES as others get it: frozen versions, the hub folder, its Croissant metadata."""

import dataclasses
import hashlib
import io
import json
import shutil

import pandas as pd
import pyarrow.parquet as pq
import pytest
import yaml
from PIL import Image
from running import HOUSE

from icl.data.settings import DatasetSettings
from icl.errors import InputError
from icl.fields import typed
from icl.publish import frozen
from icl.publish.hub import write_hub
from icl.synthpedes.benchmark import write_benchmark
from icl.workflow.config import load_settings
from icl.workflow.stages import benchmark_part

KNOWN = json.loads(frozen.VERSIONS.read_text())
TINY = next(known for known in KNOWN if known["size"] == "tiny" and known["spec"]["domain"] == "city")


@pytest.fixture(scope="module")
def drawn(tmp_path_factory):
    folder = tmp_path_factory.mktemp("drawn")
    write_benchmark(typed(DatasetSettings, TINY["spec"]), folder / "tiny", folder / "truth.parquet")
    return folder / "tiny/reid_raw.json", folder / "truth.parquet"


def test_what_is_drawn_here_is_the_frozen_version(drawn):
    found = frozen.split_facts(*drawn)
    assert frozen.checked(TINY["spec"], found)["name"] == "SynthPEDES 1.0 city (tiny)"
    assert found == TINY["splits"]


@pytest.mark.parametrize("file", ["config", "smoke"])
def test_the_configurations_that_come_with_the_project_are_frozen(file):
    settings = load_settings(yaml.safe_load((HOUSE / "config" / f"{file}.yaml").read_text()))
    assert all(frozen.version_of(benchmark_part(settings, name)) for name in settings.datasets)
    other = dataclasses.replace(settings.datasets[next(iter(settings.datasets))], seed=99)
    changed = dataclasses.replace(settings, datasets={"other": other})
    assert frozen.version_of(benchmark_part(changed, "other")) is None


@pytest.mark.parametrize("part", ["annotations", "pictures", "attributes"])
def test_a_changed_part_of_a_split_is_named(drawn, tmp_path, part):
    annotations, truth = (tmp_path / "tiny" / drawn[0].name, tmp_path / "truth.parquet")
    shutil.copytree(drawn[0].parent, annotations.parent)
    shutil.copy(drawn[1], truth)
    records = json.loads(annotations.read_text())
    number = next(k for k, record in enumerate(records) if record["split"] == "val")
    if part == "annotations":
        records[number]["captions"][0] += " "
        annotations.write_text(json.dumps(records))
    elif part == "pictures":
        (annotations.parent / "imgs" / records[number]["file_path"]).write_bytes(b"another")
    else:
        facts = pd.read_parquet(truth)
        facts.loc[facts.file_path == records[number]["file_path"], "seen"] = "{}"
        facts.to_parquet(truth)
    with pytest.raises(InputError, match=f"split val: found other {part} .made with pillow"):
        frozen.checked(TINY["spec"], frozen.split_facts(annotations, truth))


def test_the_hub_folder_holds_the_same_benchmark(drawn, tmp_path):
    out = tmp_path / "hub"
    known = frozen.checked(TINY["spec"], frozen.split_facts(*drawn))
    write_hub(known, *drawn, HOUSE / "LICENSE", out)
    records = json.loads(drawn[0].read_text())
    for split in ("train", "val", "test"):
        rows = pq.read_table(out / f"data/{split}.parquet").to_pylist()
        own = [record for record in records if record["split"] == split]
        assert [(row["file_name"], row["identity"], row["captions"]) for row in rows] == [
            (record["file_path"], record["id"], record["captions"]) for record in own
        ]
        first = Image.open(io.BytesIO(rows[0]["image"]["bytes"]))
        assert first.size == Image.open(out / "images" / own[0]["file_path"]).size
        truth = pd.read_parquet(out / f"attributes/{split}.parquet")
        assert list(truth.file_path) == [record["file_path"] for record in own]
        assert not {"seen", "said"} & set(rows[0]), "the truth stands apart"
    lines = dict(reversed(line.split("  ")) for line in (out / "SHA256SUMS").read_text().splitlines())
    files = {path.relative_to(out).as_posix() for path in out.rglob("*") if path.is_file()} - {"SHA256SUMS"}
    assert set(lines) == files
    assert all(hashlib.sha256((out / name).read_bytes()).hexdigest() == digest for name, digest in lines.items())


def test_croissant_names_every_file_and_column(drawn, tmp_path):
    known = frozen.checked(TINY["spec"], frozen.split_facts(*drawn))
    write_hub(known, *drawn, HOUSE / "LICENSE", tmp_path / "hub")
    found = json.loads((tmp_path / "hub/croissant.json").read_text())
    for one in found["distribution"]:
        content = (tmp_path / "hub" / one["contentUrl"]).read_bytes()
        assert one["sha256"] == hashlib.sha256(content).hexdigest() and one["contentSize"] == f"{len(content)} B"
    columns = set(pq.read_schema(tmp_path / "hub/data/test.parquet").names)
    for records in found["recordSet"]:
        assert {field["source"]["extract"]["column"] for field in records["field"]} == columns
    used = {key for key in found if key.startswith("rai:")}
    assert {"rai:dataBiases", "rai:personalSensitiveInformation", "rai:dataLimitations"} <= used
    assert found["version"] == "1.0.0"
    card = (tmp_path / "hub/README.md").read_text()
    assert "| test | 16 | 32 | 64 |" in card and "48 x 96" in card
