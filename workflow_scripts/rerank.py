"""Re-rank the test split: interaction record, metrics, cost."""

from pathlib import Path

from _glue import job
from _reranking import open_split, stored, taken, way_of

with job(snakemake):
    from icl.files import write_json, write_records
    from icl.ranking.measure import measure
    from icl.rerank.meter import Meter
    from icl.rerank.record import with_ranks
    from icl.rerank.ways import parameters_of
    from icl.rerank.ways.base import warn_of_bare_answers

    way, split, chosen = way_of(snakemake), open_split(snakemake, "test"), taken(snakemake)
    emb, asks = split.embeddings, split.backend is not None
    meter = Meter(stored(split, snakemake)) if asks else None
    found = way.rerank(split, meter, chosen)
    spent, calls = (meter.spent, meter.calls) if asks else ({}, {})
    warn_of_bare_answers(way.label, found, calls.get("localise", 0))

    metrics = measure(found.scores, emb.text_pids, emb.image_pids) | found.counts()
    parameters = {name: chosen[name] for name in parameters_of(way)}
    metrics |= {"calls": calls, "spent": spent, "parameters": parameters, "selection": chosen.get("selection", "")}
    write_json(snakemake.output.metrics, metrics)
    write_records(with_ranks(found.records, emb, emb.scores, found.scores), Path(snakemake.output.record))
