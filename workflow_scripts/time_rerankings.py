"""Seconds per query of every re-ranking of a table, one after another."""

import json
from functools import partial
from pathlib import Path

from _glue import job
from _reranking import open_row, parameters_in

with job(snakemake):
    from icl.files import write_json
    from icl.rerank.ways import WAYS

    def seconds(way, split, chosen, queries):  # the back-end itself: no stored answer may be timed
        return way.rerank(split, split.backend, chosen, None if way.whole else queries).seconds

    given, times = snakemake.params, {}
    for row in given.rows:
        way, files = WAYS[row["way"]], row["files"]
        split = open_row(snakemake, way, row["judge"], files | {"embeddings": files["embeddings"][0]}, "test")
        run = partial(seconds, way, split, parameters_in(files["chosen"]))
        calls = json.loads(Path(files["metrics"][0]).read_text())["calls"]
        times[row["folder"]] = split.timed(run, calls, row["queries"], given.passes)
        split = run = None  # a model goes before the next one comes
    write_json(snakemake.output[0], times)
