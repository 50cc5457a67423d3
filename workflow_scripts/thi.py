"""THI on the test split: interaction record, metrics of the re-ranked similarities, time per query."""

import json
from pathlib import Path

from _glue import job
from _interaction import interact, open_split, stored

with job(snakemake):
    from icl.mllm.protocol import is_replay
    from icl.mllm.sft import write_records
    from icl.provenance import write_json
    from icl.report.measure import measure, with_ranks
    from icl.report.timing import timing, untimed

    s, out = open_split(snakemake, "test"), snakemake.output
    xi = json.loads(Path(snakemake.input.xi).read_text())["xi"]
    live = not is_replay(s.backend)
    if live:
        interact(s, slice(0, 2), s.backend, xi)  # the first calls also plan kernels: not to be timed
    kept = stored(s.backend, snakemake)
    resumed = bool(kept.store.answers)
    result = interact(s, slice(None), kept, xi)

    found = measure(result.scores, s.emb.text_pids, s.emb.image_pids, snakemake.params.bootstrap)
    found |= {"refined": result.refined, "calls": result.calls, "fallbacks": result.fallbacks, "xi": xi}
    records = with_ranks(result.records, s.emb, s.emb.scores, result.scores)
    write_records(records, Path(out.record))
    write_json(out.metrics, found)

    times = untimed(result.calls, len(s.captions))
    if live:
        whole = interact(s, slice(None), s.backend, xi) if resumed else result  # no stored answer may enter the time
        alone = snakemake.params.timing_queries
        times = timing(whole, lambda q: interact(s, slice(q, q + 1), s.backend, xi), len(s.captions), alone)
    write_json(out.timing, times)
