"""Draw one figure from what the stages left."""

import json
from pathlib import Path

from _glue import job

with job(snakemake):
    import pandas as pd

    from icl.data.pairs import images_of, read_pairs, split_of
    from icl.mllm.sft import read_records
    from icl.report import examples, figures
    from icl.report.style import save

    def read(path):
        return json.loads(Path(path).read_text())

    def density(record, xi):
        return figures.similarity_density(read_records(Path(record)), read(xi)["xi"])

    def example(record, pairs):
        images = images_of(split_of(read_pairs(Path(pairs)), "test"))
        return examples.draw(read_records(Path(record)), images, Path(snakemake.params.root))

    def noise(table):
        epochs = pd.read_csv(table)
        return figures.noise_study(epochs[epochs.benchmark == snakemake.wildcards.dataset])

    draw = {
        "density": density,
        "sweeps": lambda found: figures.sweeps(read(found)),
        "rounds": lambda found: figures.rounds(read(found)),
        "examples": example,
        "ccd": lambda table: figures.ccd_mixture(pd.read_parquet(table)),
        "noise": noise,
        "calibration": lambda found: figures.calibration(read(found)),
    }
    name = snakemake.wildcards.get("name", "calibration")
    save(draw[name](*snakemake.input), Path(snakemake.output.png).with_suffix(""))
