"""T_loc on held-out questions, before and after LoRA."""

from pathlib import Path

from _glue import job

with job(snakemake):
    from icl.config import typed
    from icl.mllm.judge_eval import evaluate_localisation
    from icl.mllm.registry import adapter_of, open_backend
    from icl.mllm.sft import read_records
    from icl.provenance import write_json
    from icl.settings import MLLMSettings

    mllm = typed(MLLMSettings, snakemake.params.mllm)
    records = read_records(Path(snakemake.input.heldout))
    adapters = {judge: adapter_of(judge, snakemake.input.adapter) for judge in ("base", "lora")}
    found = {judge: evaluate_localisation(open_backend(mllm, a), records, Path()) for judge, a in adapters.items()}
    write_json(snakemake.output[0], found)
