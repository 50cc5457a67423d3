"""Seconds per query of every re-ranking of a table, one after another."""

import json
from dataclasses import replace
from functools import partial
from pathlib import Path

from _glue import job, settings_of
from _reranking import open_row, parameters_in

with job(snakemake):
    from icl.files import write_json
    from icl.mllm.backends.registry import adapter_of, open_backend
    from icl.rerank.ways import WAYS

    def seconds(way, split, chosen, queries):  # the back-end itself: no stored answer may be timed
        return way.rerank(split, split.backend, chosen, None if way.whole else queries).seconds

    given, times = snakemake.params, {}
    mllm, judge, backend = settings_of(snakemake).mllm, "none", None
    for row in given.rows:  # those of one judge follow each other
        way, files = WAYS[row["way"]], row["files"]
        if row["judge"] != judge:
            judge, backend = row["judge"], None  # one model goes before the next one comes
            backend = None if judge == "none" else open_backend(mllm, adapter_of(judge, files["adapter"]))
        opened = files | {"embeddings": files["embeddings"][0]}
        split = replace(open_row(snakemake, way, judge, opened, "test", asks=False), backend=backend)
        run = partial(seconds, way, split, parameters_in(files["chosen"]))
        calls = json.loads(Path(files["metrics"][0]).read_text())["calls"]
        times[row["folder"]] = split.timed(run, calls, row["queries"], given.passes)
        split = run = None  # similarities of one row go before those of the next one come
    write_json(snakemake.output[0], times)
