"""THI on the test split: interaction record, metrics of the re-ranked similarities, time per query."""

import json
from pathlib import Path

from _glue import job
from _interaction import open_split, stored

with job(snakemake):
    from icl.files import write_json, write_records
    from icl.ranking.measure import measure
    from icl.rerank.thi.record import with_ranks

    split, out, given = open_split(snakemake, "test"), snakemake.output, snakemake.params
    xi, found = json.loads(Path(snakemake.input.xi).read_text())["xi"], split.embeddings
    result = split.interact(stored(split, snakemake), xi)

    metrics = measure(result.scores, found.text_pids, found.image_pids)
    metrics |= {"refined": result.refined, "calls": result.calls, "fallbacks": result.fallbacks, "xi": xi}
    metrics["unscored"] = result.unscored
    write_records(with_ranks(result.records, found, found.scores, result.scores), Path(out.record))
    write_json(out.metrics, metrics)

    def run(queries):
        return split.interact(split.backend, xi, queries).seconds  # the back-end itself: no stored answer may be timed

    write_json(out.timing, split.timed(run, result.calls, given.timing_queries, given.timing_passes))
