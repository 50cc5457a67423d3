"""THI on the test split: interaction record, metrics of the re-ranked similarities, time per query."""

import json
from pathlib import Path

from _glue import job
from _interaction import open_split, stored

with job(snakemake):
    from icl.files import write_json, write_records
    from icl.mllm.protocol import is_replay
    from icl.ranking.measure import measure
    from icl.rerank.thi.record import timing, with_ranks
    from icl.rerank.timing import untimed

    split, out = open_split(snakemake, "test"), snakemake.output
    xi = json.loads(Path(snakemake.input.xi).read_text())["xi"]
    live, found, queries = not is_replay(split.backend), split.embeddings, len(split.captions)
    if live:
        split.interact(slice(0, 2), split.backend, xi)  # the first calls also plan kernels: not to be timed
    kept = stored(split, snakemake)
    resumed = bool(kept.store.answers)
    result = split.interact(slice(None), kept, xi)

    metrics = measure(result.scores, found.text_pids, found.image_pids)
    metrics |= {"refined": result.refined, "calls": result.calls, "fallbacks": result.fallbacks, "xi": xi}
    metrics["unscored"] = result.unscored
    write_records(with_ranks(result.records, found, found.scores, result.scores), Path(out.record))
    write_json(out.metrics, metrics)

    times = untimed(result.calls, queries)
    if live:
        whole = split.interact(slice(None), split.backend, xi) if resumed else result  # no stored answer may be timed
        alone = snakemake.params.timing_queries
        times = timing(whole, lambda q: split.interact(slice(q, q + 1), split.backend, xi), queries, alone)
    write_json(out.timing, times)
