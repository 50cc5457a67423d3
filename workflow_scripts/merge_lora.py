"""Merge a LoRA adapter into its model."""

from pathlib import Path

from _glue import job

with job(snakemake):
    from icl.mllm.tuning.merge import merge_adapter

    adapter = Path(snakemake.input.adapter).parent
    merge_adapter(snakemake.params.mllm["model"], adapter, Path(snakemake.output[0]))
