"""The ways to re-rank on parts of the gallery."""

import pandas as pd
from _glue import job
from _reranking import open_split, parameters_in, stored

with job(snakemake):
    from icl.rerank.sizes import by_size
    from icl.rerank.ways import WAYS

    split = open_split(snakemake, "test")
    chosen = {way: parameters_in(files) for way, files in snakemake.params.chosen.items()}
    lines = by_size(split, stored(split, snakemake), chosen)
    table = pd.DataFrame(lines)
    table["row"] = ["ICL" if not way else f"ICL+{WAYS[way].label}" for way in table.pop("way")]
    table.to_csv(snakemake.output[0], index=False, float_format="%.4f")
