"""Write a benchmark as a folder for a data hub."""

import json
from pathlib import Path

from _glue import job

with job(snakemake):
    from icl.publish.hub import write_hub

    given = snakemake.input
    known = json.loads(Path(given.known).read_text())
    out = Path(snakemake.output[0]).parent
    write_hub(known, Path(given.annotations), Path(given.truth), Path(given.licence), out)
