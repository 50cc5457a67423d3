"""Draw the SFT set and the held-out questions of all benchmarks, and write them in LLaMA-Factory's form too."""

from pathlib import Path

from _glue import job


def negatives(path):
    return {row.caption_id: list(row.images) for row in pd.read_parquet(path).itertuples()}


with job(snakemake):
    import pandas as pd

    from icl.data.pairs import read_pairs
    from icl.files import write_records
    from icl.mllm.tuning.records import build_records, data_card, heldout_records, write_llamafactory

    seed, given = int(snakemake.wildcards.seed), snakemake.input
    records, heldout, sizes = [], [], {}
    for n, name in enumerate(snakemake.params.datasets):
        pairs, root = read_pairs(Path(given.pairs[n])), snakemake.params.roots[n]
        clean = set(pd.read_parquet(given.clean[n]).caption_id)
        sizes[name] = len(clean)
        train, held = negatives(given.negatives[n]), negatives(given.heldout[n])
        rows = pairs[pairs.split == "train"]
        drawn = build_records(rows, clean, train, snakemake.params.n_pairs[n], seed)
        asked = heldout_records(pairs[pairs.split == "val"], held, seed) if held else []
        for record in drawn + asked:  # images relative to the working directory: benchmarks have roots of their own
            record |= {"benchmark": name, "image": f"{root}/{record['image']}"}
        records, heldout = records + drawn, heldout + asked
    for out in (records, heldout):
        for number, record in enumerate(out):
            record["id"] = number
    write_records(records, Path(snakemake.output.records))
    write_records(heldout, Path(snakemake.output.heldout))
    asked = dict(zip(snakemake.params.datasets, snakemake.params.n_pairs, strict=True))
    Path(snakemake.output.card).write_text(data_card(records, heldout, asked, sizes))
    write_llamafactory(records, Path.cwd(), Path(snakemake.output.llamafactory))
