"""Train a retriever: RDE, or with augmented captions RDE + RDA; in one process or in several."""

from pathlib import Path

from _glue import job
from _resume import drop_foreign_state

with job(snakemake):
    from icl.data.pairs import read_pairs
    from icl.fields import typed
    from icl.retriever.settings import RetrieverSettings
    from icl.retriever.training.launch import launch
    from icl.retriever.training.trainer import train_retriever

    out, settings, seed = Path(snakemake.output.model).parent, snakemake.params.settings, int(snakemake.wildcards.seed)
    pairs, root = snakemake.input.pairs, snakemake.params.root
    augmented = snakemake.input.augmented[0] if snakemake.input.augmented else None
    drop_foreign_state(snakemake, out)
    processes, nodes = snakemake.resources.processes, snakemake.resources.nodes
    if processes == 1:
        augmented = Path(augmented) if augmented else None
        train_retriever(typed(RetrieverSettings, settings), read_pairs(Path(pairs)), Path(root), seed, out, augmented)
    else:
        description = dict(settings=settings, pairs=pairs, root=root, seed=seed, out=str(out), augmented=augmented)
        launch(description, processes, nodes, snakemake.threads, out)
