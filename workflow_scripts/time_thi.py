"""Time THI on the test split with no answer taken from the store: all queries in batches, and some one by one."""

import json
from pathlib import Path

from _glue import job
from _interaction import open_split

with job(snakemake):
    from icl.provenance import write_json
    from icl.report.timing import time_interaction

    s = open_split(snakemake, "test")
    xi = json.loads(Path(snakemake.input.xi).read_text())["xi"]
    found = time_interaction(s.similarity, s.captions, s.images, s.similarity_of, s.backend, s.mllm, s.thi, xi)
    write_json(snakemake.output[0], found)
