# The SFT set of anchor localisation and the LoRA adapter that is tuned on it.


rule mine_negatives:
    input:
        pairs=f"{R}/pairs/{{dataset}}.parquet",
        ccd=f"{R}/retriever/{{dataset}}/rde/seed{{seed}}/ccd.parquet",
        embeddings=f"{R}/embeddings/{{dataset}}/rde/seed{{seed}}",
    output:
        clean=f"{R}/sft/seed{{seed}}/{{dataset}}/clean_pairs.parquet",
        negatives=f"{R}/sft/seed{{seed}}/{{dataset}}/hard_negatives.parquet",
        heldout=f"{R}/sft/seed{{seed}}/{{dataset}}/heldout_negatives.parquet",
    log:
        f"{R}/logs/mine_negatives/{{dataset}}-seed{{seed}}.log",
    conda:
        "../config/environment.yaml"
    threads: 1
    resources:
        mem_mb=resources.memory(settings, "scores"),
        runtime=60,
        gpu=0,
    params:
        top_k=settings.sft.negatives_top_k,
        val=lambda w: has_val(settings.datasets[w.dataset]),
        version=runs.STAGE_VERSIONS["mine"],
    script:
        "../workflow_scripts/mine_negatives.py"


rule sft_records:
    input:
        pairs=expand(f"{R}/pairs/{{dataset}}.parquet", dataset=settings.tabled),
        clean=expand(f"{R}/sft/seed{{{{seed}}}}/{{dataset}}/clean_pairs.parquet", dataset=settings.tabled),
        negatives=expand(f"{R}/sft/seed{{{{seed}}}}/{{dataset}}/hard_negatives.parquet", dataset=settings.tabled),
        heldout=expand(f"{R}/sft/seed{{{{seed}}}}/{{dataset}}/heldout_negatives.parquet", dataset=settings.tabled),
    output:
        records=f"{R}/sft/seed{{seed}}/records.jsonl",
        heldout=f"{R}/sft/seed{{seed}}/heldout.jsonl",
        llamafactory=directory(f"{R}/sft/seed{{seed}}/llamafactory"),
        card=f"{R}/sft/seed{{seed}}/card.md",
    log:
        f"{R}/logs/sft_records/seed{{seed}}.log",
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
        roots=[runs.image_root(settings, name) for name in settings.tabled],
        version=runs.STAGE_VERSIONS["records"],
    script:
        "../workflow_scripts/sft_records.py"


rule finetune_lora:
    input:
        records=f"{R}/sft/seed{{seed}}/records.jsonl",
        weights=runs.local_weights(settings.mllm.model),
    output:
        weights=f"{R}/lora/seed{{seed}}/adapter/adapter_model.safetensors",
        config=f"{R}/lora/seed{{seed}}/adapter/adapter_config.json",
        history=f"{R}/lora/seed{{seed}}/adapter/history.csv",
    log:
        f"{R}/logs/finetune_lora/seed{{seed}}.log",
    benchmark:
        f"{R}/benchmarks_time/finetune_lora/seed{{seed}}.tsv"
    conda:
        "../config/environment.yaml"
    threads: settings.training_threads
    resources:
        mem_mb=resources.memory(settings, "mllm"),
        runtime=1440,
        gpu=resources.gpus(settings),
        gpu_model=resources.gpu_type(settings),
    params:
        settings=runs.lora_part(settings),
        mllm=runs.mllm_part(settings),
        version=runs.STAGE_VERSIONS["lora"],
    script:
        "../workflow_scripts/finetune_lora.py"


rule evaluate_judge:
    input:
        heldout=f"{R}/sft/seed{{seed}}/heldout.jsonl",
        adapter=lambda w: runs.adapter_file(settings, "lora", w.seed),
        weights=runs.local_weights(settings.mllm.model),
    output:
        f"{R}/lora/seed{{seed}}/evaluation.json",
    log:
        f"{R}/logs/evaluate_judge/seed{{seed}}.log",
    benchmark:
        f"{R}/benchmarks_time/evaluate_judge/seed{{seed}}.tsv"
    conda:
        "../config/environment.yaml"
    threads: 1
    resources:
        mem_mb=resources.memory(settings, "mllm"),
        runtime=120,
        gpu=resources.gpus(settings),
        gpu_model=resources.gpu_type(settings),
    params:
        mllm=runs.mllm_part(settings),
        answers=lambda w: f"{R}/answers/judge-seed{w.seed}",
        version=runs.STAGE_VERSIONS["judge"],
    script:
        "../workflow_scripts/evaluate_judge.py"


# For servers that take no adapters: `snakemake --cores all results/lora/seed1/merged`.
rule merge_lora:
    input:
        adapter=f"{R}/lora/seed{{seed}}/adapter/adapter_model.safetensors",
        weights=runs.local_weights(settings.mllm.model),
    output:
        directory(f"{R}/lora/seed{{seed}}/merged"),
    log:
        f"{R}/logs/merge_lora/seed{{seed}}.log",
    conda:
        "../config/environment.yaml"
    threads: 1
    resources:
        mem_mb=resources.memory(settings, "mllm"),
        runtime=60,
        gpu=0,
    params:
        mllm=runs.mllm_part(settings),
        version=runs.STAGE_VERSIONS["lora"],
    script:
        "../workflow_scripts/merge_lora.py"
