"""Re-rank the first images of every query by the MLLM's Yes probability: metrics, and time per query."""

from _glue import job
from _interaction import open_split, stored

with job(snakemake):
    import numpy as np

    from icl.mllm.protocol import is_replay
    from icl.provenance import write_json
    from icl.report.measure import measure
    from icl.report.timing import time_of, untimed
    from icl.rerank import by_yes
    from icl.scores import Part

    s, k = open_split(snakemake, "test"), snakemake.params.top_k

    def rerank(backend, rows):
        s.backend.forget_images()
        part = Part(s.emb.scores, np.arange(len(s.captions))[rows])
        return by_yes(part, s.captions[rows], s.images, backend, k)

    live = not is_replay(s.backend)
    if live:
        rerank(s.backend, slice(0, 2))  # the first calls also plan kernels: not to be timed
    kept = stored(s.backend, snakemake)
    resumed = bool(kept.store.answers)
    found = rerank(kept, slice(None))
    measured = measure(found.scores, s.emb.text_pids, s.emb.image_pids, snakemake.params.bootstrap)
    measured |= {"calls": {"localise": found.calls}, "fallbacks": {"localise": found.fallbacks}}
    write_json(snakemake.output.metrics, measured)

    times = untimed({"localise": found.calls}, len(s.captions))
    if live:
        whole = rerank(s.backend, slice(None)) if resumed else found  # no stored answer may enter the time
        times = time_of(
            {"localisation": whole.seconds},
            {"localise": whole.calls},
            lambda q: rerank(s.backend, slice(q, q + 1)).seconds,
            len(s.captions),
            snakemake.params.timing_queries,
        )
    write_json(snakemake.output.timing, times)
