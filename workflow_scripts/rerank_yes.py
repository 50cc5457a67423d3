"""Re-rank the first images of every query by the MLLM's Yes probability: metrics, and time per query."""

from _glue import job
from _interaction import open_split, stored

with job(snakemake):
    from icl.files import write_json
    from icl.ranking.measure import measure

    split, given = open_split(snakemake, "test"), snakemake.params
    found, emb = split.promote(stored(split, snakemake), given.top_k), split.embeddings
    metrics = measure(found.scores, emb.text_pids, emb.image_pids)
    write_json(snakemake.output.metrics, metrics | found.counts())

    def run(queries):  # the back-end itself: no stored answer may be timed
        return {"localisation": split.promote(split.backend, given.top_k, queries).seconds}

    calls = {"localise": found.calls}
    write_json(snakemake.output.timing, split.timed(run, calls, given.timing_queries, given.timing_passes))
