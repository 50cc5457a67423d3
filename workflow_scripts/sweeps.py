"""THI at other thresholds, weights and numbers of rounds; recorded answers serve, and only what is missing is asked."""

import json
from pathlib import Path

from _glue import job
from _reranking import open_split, stored

with job(snakemake):
    import numpy as np

    from icl.files import read_records, write_json
    from icl.rerank.thi.sweeps import played
    from icl.rerank.ways.thi import sweep_thresholds

    split = open_split(snakemake, "test")
    records, found = read_records(Path(snakemake.input.record)), split.embeddings
    acted = np.flatnonzero([record["anchor"] is not None for record in records])
    refined = split.encode(found.scores, [records[q]["refined"] for q in acted], acted)
    run = played(records, found.scores, refined, found.text_pids, found.image_pids)
    thresholds = sweep_thresholds(split, stored(split, snakemake))
    swept = {
        "xi": thresholds["sweep"],
        "lambda": run.by_weight([round(0.05 * k, 2) for k in range(21)]),
        "rounds": run.by_round(split.thi.rounds, split.thi.lambda_),
        "chosen": {"xi": json.loads(Path(snakemake.input.xi).read_text())["xi"], "lambda": split.thi.lambda_},
    }
    write_json(snakemake.output[0], swept)
