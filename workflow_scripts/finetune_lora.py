"""Fine-tune the MLLM for anchor localisation with LoRA."""

from pathlib import Path

from _glue import job, settings_of
from _resume import drop_foreign_state

with job(snakemake):
    from icl.files import read_records
    from icl.mllm.tuning.lora import finetune

    settings = settings_of(snakemake)
    out = Path(snakemake.output.weights).parent
    drop_foreign_state(snakemake, out)
    finetune(
        settings.sft,
        settings.mllm,
        read_records(Path(snakemake.input.records)),
        Path(),  # the records name images from the working directory
        int(snakemake.wildcards.seed),
        out,
    )
