"""The tables of the noise study."""

from pathlib import Path

from _glue import job

with job(snakemake):
    from icl.report.noise import noise_tables, noise_text

    table, epochs = noise_tables(
        [Path(p) for p in snakemake.input.histories],
        [Path(p) for p in snakemake.input.metrics],
        [Path(p) for p in snakemake.input.embeddings],
        snakemake.params.methods,
    )
    table.to_csv(snakemake.output.table, index=False, float_format="%.4f")
    epochs.to_csv(snakemake.output.epochs, index=False, float_format="%.4f")
    Path(snakemake.output.text).write_text(noise_text(table, epochs))
