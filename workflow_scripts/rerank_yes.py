"""Re-rank the first images of every query by the MLLM's Yes probability: metrics, and time per query."""

from _glue import job
from _interaction import open_split, stored

with job(snakemake):
    from icl.files import write_json
    from icl.mllm.protocol import is_replay
    from icl.ranking.measure import measure
    from icl.rerank.timing import time_of, untimed
    from icl.rerank.yes import by_yes

    split, k = open_split(snakemake, "test"), snakemake.params.top_k

    def rerank(backend, queries):
        return by_yes(split.part(queries), split.captions[queries], split.images, backend, k)

    live, queries = not is_replay(split.backend), len(split.captions)
    if live:
        rerank(split.backend, slice(0, 2))  # the first calls also plan kernels: not to be timed
    kept = stored(split, snakemake)
    resumed = bool(kept.store.answers)
    found = rerank(kept, slice(None))
    pids = split.embeddings.text_pids, split.embeddings.image_pids
    metrics = measure(found.scores, *pids)
    write_json(snakemake.output.metrics, metrics | found.counts())

    times = untimed({"localise": found.calls}, queries)
    if live:
        whole = rerank(split.backend, slice(None)) if resumed else found  # no stored answer may enter the time
        times = time_of(
            {"localisation": whole.seconds},
            {"localise": whole.calls},
            lambda q: rerank(split.backend, slice(q, q + 1)).seconds,
            queries,
            snakemake.params.timing_queries,
        )
    write_json(snakemake.output.timing, times)
