# The SFT set of anchor localisation and the LoRA adapter that is tuned on it.


rule mine_negatives:
    input:
        pairs=f"{RESULTS}/pairs/{{dataset}}.parquet",
        ccd=f"{RESULTS}/retriever/{{dataset}}/rde/seed{{seed}}/ccd.parquet",
        embeddings=f"{RESULTS}/embeddings/{{dataset}}/rde/seed{{seed}}",
    output:
        clean=f"{RESULTS}/sft/seed{{seed}}/{{dataset}}/clean_pairs.parquet",
        negatives=f"{RESULTS}/sft/seed{{seed}}/{{dataset}}/hard_negatives.parquet",
        heldout=f"{RESULTS}/sft/seed{{seed}}/{{dataset}}/heldout_negatives.parquet",
    log:
        f"{RESULTS}/logs/mine_negatives/{{dataset}}-seed{{seed}}.log",
    conda:
        "../config/environment.yaml"
    threads: 1
    resources:
        mem_mb=resources.memory(settings, "scores"),
        runtime=60,
        gpu=0,
    params:
        top_k=settings.sft.negatives_top_k,
        val=lambda w: settings.datasets[w.dataset].has_val,
        version=stages.STAGE_VERSIONS["mine"],
    script:
        "../workflow_scripts/mine_negatives.py"


rule sft_records:
    input:
        pairs=expand(f"{RESULTS}/pairs/{{dataset}}.parquet", dataset=settings.tabled),
        clean=expand(f"{RESULTS}/sft/seed{{{{seed}}}}/{{dataset}}/clean_pairs.parquet", dataset=settings.tabled),
        negatives=expand(f"{RESULTS}/sft/seed{{{{seed}}}}/{{dataset}}/hard_negatives.parquet", dataset=settings.tabled),
        heldout=expand(f"{RESULTS}/sft/seed{{{{seed}}}}/{{dataset}}/heldout_negatives.parquet", dataset=settings.tabled),
    output:
        records=f"{RESULTS}/sft/seed{{seed}}/records.jsonl",
        heldout=f"{RESULTS}/sft/seed{{seed}}/heldout.jsonl",
        llamafactory=directory(f"{RESULTS}/sft/seed{{seed}}/llamafactory"),
        card=f"{RESULTS}/sft/seed{{seed}}/card.md",
    log:
        f"{RESULTS}/logs/sft_records/seed{{seed}}.log",
    conda:
        "../config/environment.yaml"
    threads: 1
    resources:
        mem_mb=resources.memory(settings, "tables"),
        runtime=30,
        gpu=0,
    params:
        datasets=list(settings.tabled),
        n_pairs=[spec.sft_pairs for spec in settings.tabled.values()],
        roots=[paths.image_root(settings, name) for name in settings.tabled],
        version=stages.STAGE_VERSIONS["records"],
    script:
        "../workflow_scripts/sft_records.py"


rule finetune_lora:
    input:
        records=f"{RESULTS}/sft/seed{{seed}}/records.jsonl",
        weights=lambda w: or_stop(paths.mllm_weights, settings, False),
    output:
        weights=f"{RESULTS}/lora/seed{{seed}}/adapter/adapter_model.safetensors",
        config=f"{RESULTS}/lora/seed{{seed}}/adapter/adapter_config.json",
        history=f"{RESULTS}/lora/seed{{seed}}/adapter/history.csv",
    log:
        f"{RESULTS}/logs/finetune_lora/seed{{seed}}.log",
    benchmark:
        f"{RESULTS}/benchmarks_time/finetune_lora/seed{{seed}}.tsv"
    conda:
        "../config/environment.yaml"
    threads: settings.training_threads
    resources:
        mem_mb=resources.memory(settings, "mllm"),
        runtime=1440,
        gpu=resources.gpus(settings),
        gpu_model=resources.gpu_type(settings),
    params:
        settings=stages.lora_part(settings),
        mllm=stages.mllm_part(settings, "lora"),
        version=stages.STAGE_VERSIONS["lora"],
    script:
        "../workflow_scripts/finetune_lora.py"


rule evaluate_judge:
    input:
        heldout=f"{RESULTS}/sft/seed{{seed}}/heldout.jsonl",
        adapter=lambda w: paths.adapter_file(settings, "lora", w.seed),
        weights=lambda w: or_stop(paths.mllm_weights, settings),
    output:
        f"{RESULTS}/lora/seed{{seed}}/evaluation.json",
    log:
        f"{RESULTS}/logs/evaluate_judge/seed{{seed}}.log",
    benchmark:
        f"{RESULTS}/benchmarks_time/evaluate_judge/seed{{seed}}.tsv"
    conda:
        "../config/environment.yaml"
    threads: 1
    resources:
        mem_mb=resources.memory(settings, "mllm"),
        runtime=120,
        gpu=resources.gpus(settings),
        gpu_model=resources.gpu_type(settings),
    params:
        mllm=stages.mllm_part(settings, "judge"),
        answers=lambda w: f"{RESULTS}/answers/judge-seed{w.seed}",
        version=stages.STAGE_VERSIONS["judge"],
    script:
        "../workflow_scripts/evaluate_judge.py"


# For servers that take no adapters: `snakemake --cores all results/lora/seed1/merged`.
rule merge_lora:
    input:
        adapter=f"{RESULTS}/lora/seed{{seed}}/adapter/adapter_model.safetensors",
        weights=lambda w: or_stop(paths.mllm_weights, settings, False),
    output:
        directory(f"{RESULTS}/lora/seed{{seed}}/merged"),
    log:
        f"{RESULTS}/logs/merge_lora/seed{{seed}}.log",
    conda:
        "../config/environment.yaml"
    threads: 1
    resources:
        mem_mb=resources.memory(settings, "mllm"),
        runtime=60,
        gpu=0,
    params:
        mllm=stages.mllm_part(settings, "merge"),
        version=stages.STAGE_VERSIONS["lora"],
    script:
        "../workflow_scripts/merge_lora.py"


# For llama.cpp and Ollama: the MLLM and each seed's merged adapter, one folder each, as llama-server's --models-dir takes them.
rule gguf:
    input:
        f"{RESULTS}/gguf/base",
        expand(f"{RESULTS}/gguf/lora-seed{{seed}}", seed=settings.seeds),


rule to_gguf:
    input:
        merged=lambda w: [] if w.model == "base" else [f"{RESULTS}/lora/{w.model.removeprefix('lora-')}/merged"],
        weights=lambda w: or_stop(paths.mllm_weights, settings, False) if w.model == "base" else [],
    output:
        directory(f"{RESULTS}/gguf/{{model}}"),
    log:
        f"{RESULTS}/logs/to_gguf/{{model}}.log",
    wildcard_constraints:
        model=r"base|lora-seed\d+",
    conda:
        "../config/environment.yaml"
    threads: 1
    resources:
        mem_mb=resources.memory(settings, "mllm"),
        runtime=120,
        gpu=0,
    params:
        mllm=stages.mllm_part(settings, "merge"),
        version=stages.STAGE_VERSIONS["lora"],
    script:
        "../workflow_scripts/to_gguf.py"
