# The SFT set of anchor localisation and the LoRA adapter that is tuned on it.


rule mine_negatives:
    input:
        pairs="<results>/pairs/{dataset}.parquet",
        ccd="<results>/retriever/{dataset}/rde/seed{seed}/ccd.parquet",
        embeddings="<results>/embeddings/{dataset}/rde/seed{seed}",
    output:
        clean="<results>/sft/seed{seed}/{dataset}/clean_pairs.parquet",
        negatives="<results>/sft/seed{seed}/{dataset}/hard_negatives.parquet",
        heldout="<results>/sft/seed{seed}/{dataset}/heldout_negatives.parquet",
    log:
        "<results>/logs/mine_negatives/{dataset}-seed{seed}.log",
    conda:
        "../config/environment.yaml"
    resources:
        **job("scores", minutes=60),
    params:
        top_k=settings.sft.negatives_top_k,
        val=lambda w: settings.datasets[w.dataset].has_val,
        version=stages.STAGE_VERSIONS["mine"],
    script:
        "../workflow_scripts/mine_negatives.py"


rule sft_records:
    input:
        pairs=expand("<results>/pairs/{dataset}.parquet", dataset=settings.tabled),
        clean=expand("<results>/sft/seed{{seed}}/{dataset}/clean_pairs.parquet", dataset=settings.tabled),
        negatives=expand("<results>/sft/seed{{seed}}/{dataset}/hard_negatives.parquet", dataset=settings.tabled),
        heldout=expand("<results>/sft/seed{{seed}}/{dataset}/heldout_negatives.parquet", dataset=settings.tabled),
    output:
        records="<results>/sft/seed{seed}/records.jsonl",
        heldout="<results>/sft/seed{seed}/heldout.jsonl",
        llamafactory=directory("<results>/sft/seed{seed}/llamafactory"),
        card="<results>/sft/seed{seed}/card.md",
    log:
        "<results>/logs/sft_records/seed{seed}.log",
    conda:
        "../config/environment.yaml"
    resources:
        **job("tables", minutes=30),
    params:
        datasets=list(settings.tabled),
        n_pairs=[spec.sft_pairs for spec in settings.tabled.values()],
        roots=[paths.image_root(settings, name) for name in settings.tabled],
        version=stages.STAGE_VERSIONS["records"],
    script:
        "../workflow_scripts/sft_records.py"


rule finetune_lora:
    input:
        records="<results>/sft/seed{seed}/records.jsonl",
        weights=lambda w: or_stop(paths.mllm_weights, settings, False),
    output:
        weights="<results>/lora/seed{seed}/adapter/adapter_model.safetensors",
        config="<results>/lora/seed{seed}/adapter/adapter_config.json",
        history="<results>/lora/seed{seed}/adapter/history.csv",
    log:
        "<results>/logs/finetune_lora/seed{seed}.log",
    benchmark:
        "<results>/benchmarks_time/finetune_lora/seed{seed}.tsv"
    conda:
        "../config/environment.yaml"
    threads: settings.training_threads
    resources:
        **job("mllm", minutes=1440, gpus=1),
    params:
        settings=stages.lora_part(settings),
        mllm=stages.mllm_part(settings, "lora"),
        version=stages.STAGE_VERSIONS["lora"],
    script:
        "../workflow_scripts/finetune_lora.py"


rule evaluate_judge:
    input:
        heldout="<results>/sft/seed{seed}/heldout.jsonl",
        adapter=lambda w: paths.adapter_file(settings, "lora", w.seed),
        weights=lambda w: or_stop(paths.mllm_weights, settings),
    output:
        "<results>/lora/seed{seed}/evaluation.json",
    log:
        "<results>/logs/evaluate_judge/seed{seed}.log",
    benchmark:
        "<results>/benchmarks_time/evaluate_judge/seed{seed}.tsv"
    conda:
        "../config/environment.yaml"
    resources:
        **job("mllm", minutes=120, gpus=1),
    params:
        mllm=stages.mllm_part(settings, "judge"),
        answers=lambda w: f"{RESULTS}/answers/judge-seed{w.seed}",
        version=stages.STAGE_VERSIONS["judge"],
    script:
        "../workflow_scripts/evaluate_judge.py"


# For servers that take no adapters: `snakemake --cores all results/lora/seed1/merged`.
rule merge_lora:
    input:
        adapter="<results>/lora/seed{seed}/adapter/adapter_model.safetensors",
        weights=lambda w: or_stop(paths.mllm_weights, settings, False),
    output:
        directory("<results>/lora/seed{seed}/merged"),
    log:
        "<results>/logs/merge_lora/seed{seed}.log",
    conda:
        "../config/environment.yaml"
    resources:
        **job("mllm", minutes=60),
    params:
        mllm=stages.mllm_part(settings, "merge"),
        version=stages.STAGE_VERSIONS["lora"],
    script:
        "../workflow_scripts/merge_lora.py"


# For llama.cpp and Ollama: the MLLM and each seed's merged adapter, one folder each, as llama-server's --models-dir takes them.
rule gguf:
    input:
        "<results>/gguf/base",
        expand("<results>/gguf/lora-seed{seed}", seed=settings.seeds),


rule to_gguf:
    input:
        merged=lambda w: [] if w.model == "base" else [f"{RESULTS}/lora/{w.model.removeprefix('lora-')}/merged"],
        weights=lambda w: or_stop(paths.mllm_weights, settings, False) if w.model == "base" else [],
    output:
        directory("<results>/gguf/{model}"),
    log:
        "<results>/logs/to_gguf/{model}.log",
    wildcard_constraints:
        model=r"base|lora-seed\d+",
    conda:
        "../config/environment.yaml"
    resources:
        **job("mllm", minutes=120),
    params:
        mllm=stages.mllm_part(settings, "merge"),
        version=stages.STAGE_VERSIONS["lora"],
    script:
        "../workflow_scripts/to_gguf.py"
