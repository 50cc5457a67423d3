"""Pack the stored answers of a run, with its provenance; unpacked below another results folder, they replay its table."""

import tarfile
from pathlib import Path

from _glue import job

with job(snakemake):
    answers = Path(snakemake.input[0]).parent / "answers"
    with tarfile.open(snakemake.output[0], "w:gz") as archive:
        archive.add(answers.parent / "provenance.json", "answers/provenance.json")
        for path in sorted(answers.glob("*/*.jsonl")):
            archive.add(path, f"answers/{path.parent.name}/{path.name}")
