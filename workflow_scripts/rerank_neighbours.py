"""k-reciprocal re-ranking of a retriever's own embeddings: metrics, and time per query."""

import time
from pathlib import Path

from _glue import job

with job(snakemake):
    from icl.data.pairs import captions_of, read_pairs, split_of
    from icl.errors import InputError
    from icl.files import write_json
    from icl.ranking.measure import measure
    from icl.ranking.scores import EmbeddingScores
    from icl.rerank.k_reciprocal import by_neighbours
    from icl.rerank.timing import time_of
    from icl.retriever.encoding.given import open_scores

    rows = split_of(read_pairs(Path(snakemake.input.pairs)), "test")
    emb = open_scores(Path(snakemake.input.embeddings), "test", rows)
    if not isinstance(emb.scores, EmbeddingScores):
        found, remedy = "similarities only", "Leave this row out, or give embeddings."
        raise InputError(snakemake.input.embeddings, found, "embeddings of texts and images", remedy)

    def run(_):  # neighbours are those of all queries and images together: no part of them stands alone
        found.clear()  # a pass' matrix goes before the next one's comes
        start = time.perf_counter()
        found.append(by_neighbours(emb.scores))
        return {"reranking": time.perf_counter() - start}

    found = []
    times = time_of(run, {}, len(captions_of(rows)), None, snakemake.params.timing_passes)
    measured = measure(found[0], emb.text_pids, emb.image_pids)
    write_json(snakemake.output.metrics, measured | {"calls": {}})
    write_json(snakemake.output.timing, times)
