"""THI at other thresholds, weights and numbers of rounds; recorded answers serve, and only what is missing is asked."""

import json
from pathlib import Path

from _glue import job
from _interaction import open_split, sweep_thresholds

with job(snakemake):
    import numpy as np

    from icl.mllm.sft import read_records
    from icl.provenance import write_json
    from icl.sweeps import played

    s = open_split(snakemake, "test")
    records = read_records(Path(snakemake.input.record))
    acted = np.flatnonzero([record["anchor"] is not None for record in records])
    refined = s.refine(s.emb.scores, [records[q]["refined"] for q in acted], acted)
    run = played(records, s.emb.scores, refined, s.emb.text_pids, s.emb.image_pids)
    thresholds = sweep_thresholds(s, snakemake)
    found = {
        "xi": thresholds["sweep"],
        "lambda": run.by_weight([round(0.05 * k, 2) for k in range(21)]),
        "rounds": run.by_round(s.thi.rounds, s.thi.lambda_),
        "chosen": {"xi": json.loads(Path(snakemake.input.xi).read_text())["xi"], "lambda": s.thi.lambda_},
    }
    write_json(snakemake.output[0], found)
