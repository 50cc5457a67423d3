"""THI on the test split: the interaction record, and the metrics of the re-ranked similarities."""

import json
from pathlib import Path

from _glue import job
from _interaction import open_split, stored

with job(snakemake):
    from icl.mllm.sft import write_records
    from icl.provenance import write_json
    from icl.report.measure import measure, with_ranks
    from icl.thi import run_thi

    s = open_split(snakemake, "test")
    xi = json.loads(Path(snakemake.input.xi).read_text())["xi"]
    result = run_thi(
        s.similarity,
        s.captions,
        s.images,
        s.similarity_of,
        stored(s.backend, snakemake),
        s.mllm,
        s.thi.rounds,
        xi,
        s.thi.lambda_,
    )
    found = measure(result.similarity, s.emb.text_pids, s.emb.image_pids, snakemake.params.bootstrap)
    found |= {"refined": result.refined, "calls": result.calls, "fallbacks": result.fallbacks, "xi": xi}
    records = with_ranks(result.records, s.emb, s.similarity, result.similarity)
    write_records(records, Path(snakemake.output.record))
    write_json(snakemake.output.metrics, found)
