"""T_loc on held-out questions, before and after LoRA."""

from pathlib import Path

from _glue import job, settings_of

with job(snakemake):
    from icl.files import read_records, write_json
    from icl.mllm.backends.registry import adapter_of, open_backend
    from icl.mllm.store import AnswerStore, CachedBackend
    from icl.mllm.tuning.judge import evaluate_localisation

    mllm = settings_of(snakemake).mllm
    records = read_records(Path(snakemake.input.heldout))
    adapters = {judge: adapter_of(judge, snakemake.input.adapter) for judge in ("base", "lora")}
    found = {}
    for judge, adapter in adapters.items():
        store = AnswerStore(Path(f"{snakemake.params.answers}-{judge}"), snakemake.rule)
        found[judge] = evaluate_localisation(CachedBackend(open_backend(mllm, adapter), store), records, Path())
    write_json(snakemake.output[0], found)
