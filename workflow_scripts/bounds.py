"""What the re-rankings would gain with judges that look at nothing, or at the truth."""

import pandas as pd
from _glue import job
from _reranking import open_split, taken

with job(snakemake):
    from icl.ranking.measure import measure
    from icl.rerank.bounds import JUDGED, stand_ins
    from icl.rerank.ways import WAYS

    split, lines = open_split(snakemake, "test", asks=False), []
    chosen, found = taken(snakemake), split.embeddings
    for name, judge in stand_ins(split).items():
        for key in JUDGED:
            scores = WAYS[key].rerank(split, judge, chosen).scores
            metrics = measure(scores, found.text_pids, found.image_pids)
            row = {"judge": name, "row": f"ICL+{WAYS[key].label}"}
            lines.append(row | {metric: metrics[metric] for metric in ("rank1", "map", "minp")})
    pd.DataFrame(lines).to_csv(snakemake.output[0], index=False, float_format="%.4f")
