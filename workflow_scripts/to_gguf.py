"""Convert a model folder, or a hub's model, to GGUF files."""

from pathlib import Path

from _glue import job

with job(snakemake):
    from icl.mllm.tuning.gguf import write_gguf

    model = Path(snakemake.input.merged[0] if snakemake.input.merged else snakemake.params.mllm["model"])
    if not model.is_dir():
        from huggingface_hub import snapshot_download

        model = Path(snapshot_download(str(model)))
    write_gguf(model, Path(snakemake.output[0]))
