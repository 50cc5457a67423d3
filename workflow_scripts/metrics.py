"""Retrieval metrics of a trained retriever on the test split."""

from pathlib import Path

from _glue import job

with job(snakemake):
    from icl.provenance import write_json
    from icl.report.measure import measure
    from icl.retriever.vectors import Embeddings

    found = Embeddings.load(Path(snakemake.input.embeddings) / "test.npz")
    measures = measure(found.scores, found.text_pids, found.image_pids, snakemake.params.bootstrap)
    write_json(snakemake.output[0], measures)
