"""Retrieval metrics of a trained retriever on the test split."""

from pathlib import Path

from _glue import job

with job(snakemake):
    from icl.data.pairs import read_pairs, split_of
    from icl.files import write_json
    from icl.ranking.measure import measure
    from icl.retriever.encoding.given import open_scores

    rows = split_of(read_pairs(Path(snakemake.input.pairs)), "test")
    found = open_scores(Path(snakemake.input.embeddings), "test", rows)
    write_json(snakemake.output[0], measure(found.scores, found.text_pids, found.image_pids))
