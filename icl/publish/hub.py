"""A folder that can be uploaded to a data hub as it is: images, tables, card, Croissant metadata, licence; made offline."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
from jinja2 import Environment, PackageLoader

from icl.data.pictures import load_image
from icl.files import write_checksums, write_json
from icl.publish.croissant import metadata

FEATURES = {
    "image": {"_type": "Image"},
    "file_name": {"dtype": "string", "_type": "Value"},
    "identity": {"dtype": "int64", "_type": "Value"},
    "captions": {"feature": {"dtype": "string", "_type": "Value"}, "_type": "List"},
}
"""How the tables' columns are shown by hubs that read Hugging Face's `datasets` schema."""


def write_hub(known: dict, annotations: Path, truth: Path, licence: Path, out: Path) -> None:
    """Write the folder.

    Args:
        known: what `frozen.checked` gives. annotations: `reid_raw.json`, with `imgs/` beside it. truth: the attributes.
        licence: text of the licence. out: removed first.
    """
    shutil.rmtree(out, ignore_errors=True)
    (out / "data").mkdir(parents=True)
    (out / "attributes").mkdir()
    shutil.copytree(annotations.parent / "imgs", out / "images", ignore=shutil.ignore_patterns(".*"))
    shutil.copyfile(licence, out / "LICENSE")
    facts = pd.read_parquet(truth)
    records = json.loads(annotations.read_text())
    for split in known["splits"]:
        own = [record for record in records if record["split"] == split]
        pq.write_table(_table(own, out / "images"), out / f"data/{split}.parquet")
        facts[facts.split == split].to_parquet(out / f"attributes/{split}.parquet", index=False)
    write_json(out / "version.json", known)
    write_json(out / "croissant.json", metadata(known, out))
    first = load_image(out / "images" / records[0]["file_path"])
    (out / "README.md").write_text(_card(known, *first.size))
    write_checksums(out, "**/*")


def _table(records: list[dict], images: Path) -> pa.Table:
    names = [record["file_path"] for record in records]
    pictures = [{"bytes": (images / name).read_bytes(), "path": Path(name).name} for name in names]
    columns = {
        "image": pa.array(pictures, pa.struct({"bytes": pa.binary(), "path": pa.string()})),
        "file_name": pa.array(names, pa.string()),
        "identity": pa.array([record["id"] for record in records], pa.int64()),
        "captions": pa.array([record["captions"] for record in records], pa.list_(pa.string())),
    }
    schema = {"huggingface": json.dumps({"info": {"features": FEATURES}})}
    return pa.table(columns).replace_schema_metadata(schema)


def _card(known: dict, width: int, height: int) -> str:
    page = Environment(loader=PackageLoader("icl.publish"), trim_blocks=True, lstrip_blocks=True).get_template(
        "card.jinja"
    )
    return page.render(known=known, spec=known["spec"], splits=known["splits"], width=width, height=height)
