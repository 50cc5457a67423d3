"""Fine-tune the MLLM for anchor localisation with LoRA."""

from pathlib import Path

from _glue import job
from _resume import drop_foreign_state

with job(snakemake):
    from icl.fields import typed
    from icl.files import read_records
    from icl.mllm.settings import MLLMSettings, SFTSettings
    from icl.mllm.tuning.lora import finetune

    out = Path(snakemake.output.weights).parent
    drop_foreign_state(snakemake, out)
    finetune(
        typed(SFTSettings, snakemake.params.settings),
        typed(MLLMSettings, snakemake.params.mllm),
        read_records(Path(snakemake.input.records)),
        Path(),  # the records name images from the working directory
        int(snakemake.wildcards.seed),
        out,
    )
