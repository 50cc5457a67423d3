"""A layout: a CSV file with one line a caption."""

import csv

from icl.data.layouts import Layout


def read(path):
    """Records of the file's images, in its order."""
    found = {}
    with open(path, newline="", encoding="utf-8") as file:
        for row in csv.DictReader(file):
            one = {"split": row["split"], "id": int(row["person"]), "file_path": row["picture"], "captions": []}
            found.setdefault(row["picture"], one)["captions"].append(row["words"])
    return list(found.values())


LAYOUT = Layout(
    title="Toy",
    version="1",
    source="nobody",
    files=("people.csv",),
    images="pictures",
    identities=(12, 6, 6),
    images_count=(24, 12, 12),
    captions=(48, 24, 24),
    stated="",
    access=("Write to nobody",),
    read=read,
)
