"""The ways to re-rank on parts of the gallery."""

import json
from pathlib import Path

import pandas as pd
from _glue import job
from _reranking import open_split, stored

with job(snakemake):
    from icl.rerank.sizes import by_size
    from icl.rerank.ways import WAYS

    split, chosen = open_split(snakemake, "test"), {}
    for way, files in snakemake.params.chosen.items():
        chosen[way] = {}
        for path in files:
            chosen[way] |= json.loads(Path(path).read_text())
    lines = by_size(split, stored(split, snakemake), chosen)
    table = pd.DataFrame(lines)
    table["row"] = ["ICL" if not way else f"ICL+{WAYS[way].label}" for way in table.pop("way")]
    table.to_csv(snakemake.output[0], index=False, float_format="%.4f")
