"""Embed the images and captions of every split with a trained retriever."""

from pathlib import Path

from _glue import job

with job(snakemake):
    from icl.data.pairs import read_pairs, split_of
    from icl.progress import stage
    from icl.retriever.encoding.embeddings import embed, open_store
    from icl.retriever.weights.checkpoints import load_retriever

    model, tokenizer = load_retriever(Path(snakemake.input.model[0]).parent)
    pairs = read_pairs(Path(snakemake.input.pairs))
    for split in snakemake.params.splits:
        rows = split_of(pairs, split)
        with stage(f"{split} split"):
            store = open_store(rows, Path(snakemake.params.root), model)
            embed(model, tokenizer, rows, store).save(Path(snakemake.output[0]) / f"{split}.npz")
