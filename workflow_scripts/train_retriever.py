"""Train a retriever: RDE, or with augmented captions RDE + RDA; in one process or in several."""

from pathlib import Path

from _glue import job, settings_of
from _resume import drop_foreign_state

with job(snakemake):
    from icl.data.pairs import read_pairs
    from icl.fields import to_mapping, with_operational
    from icl.retriever.training.launch import launch
    from icl.retriever.training.trainer import train_retriever

    out, seed = Path(snakemake.output.model).parent, int(snakemake.wildcards.seed)
    settings = with_operational(snakemake.params.settings, settings_of(snakemake).retriever)
    pairs, root = snakemake.input.pairs, snakemake.params.root
    augmented = snakemake.input.augmented[0] if snakemake.input.augmented else None
    drop_foreign_state(snakemake, out)
    processes, nodes = snakemake.resources.processes, snakemake.resources.nodes
    if processes == 1:
        augmented = Path(augmented) if augmented else None
        train_retriever(settings, read_pairs(Path(pairs)), Path(root), seed, out, augmented)
    else:
        description = dict(
            settings=to_mapping(settings), pairs=pairs, root=root, seed=seed, out=str(out), augmented=augmented
        )
        launch(description, processes, nodes, snakemake.threads, out)
