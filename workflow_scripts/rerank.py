"""Re-rank the test split: interaction record, metrics, cost, time per query."""

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

    way, split, chosen, given = way_of(snakemake), open_split(snakemake, "test"), taken(snakemake), snakemake.params
    emb, asks = split.embeddings, split.backend is not None
    meter = Meter(stored(split, snakemake)) if asks else None
    found = way.rerank(split, meter, chosen)
    spent, calls = (meter.spent, meter.calls) if asks else ({}, {})
    warn_of_bare_answers(way.label, found, calls.get("localise", 0))

    metrics = measure(found.scores, emb.text_pids, emb.image_pids) | found.counts()
    parameters = {name: chosen[name] for name in parameters_of(way)}
    metrics |= {"calls": calls, "spent": spent, "parameters": parameters, "selection": chosen.get("selection", "")}
    write_json(snakemake.output.metrics, metrics)
    records = with_ranks(found.records, emb, emb.scores, found.scores)
    write_records(records, Path(snakemake.output.record))
    found = records = None  # k-reciprocal's matrix goes before the timing makes others

    def run(queries):  # the back-end itself: no stored answer may be timed
        return way.rerank(split, split.backend, chosen, None if way.whole else queries).seconds

    write_json(snakemake.output.timing, split.timed(run, calls, given.timing_queries, given.timing_passes))
