"""Put the reports on all benchmarks together; the terminal sees them too."""

import json
from pathlib import Path

from _glue import job, say

with job(snakemake):
    from icl.data.verify import report

    layouts = snakemake.params.layouts
    found = {name: json.loads(Path(path).read_text()) for name, path in zip(layouts, snakemake.input, strict=True)}
    text = report(found, layouts)
    Path(snakemake.output[0]).write_text(text)
    say(text)
