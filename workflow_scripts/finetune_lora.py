"""Fine-tune the MLLM for anchor localisation with LoRA."""

from pathlib import Path

from _glue import job
from _resume import drop_foreign_state

with job(snakemake):
    from icl.config import typed
    from icl.mllm.lora import finetune
    from icl.mllm.sft import read_records
    from icl.settings import MLLMSettings, SFTSettings

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
