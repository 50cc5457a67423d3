# RDA: the MLLM describes, merges, splits and rewrites the training captions, in shards.


rule augment_shard:
    input:
        pairs=f"{RESULTS}/pairs/{{dataset}}.parquet",
        weights=lambda w: or_stop(paths.mllm_weights, settings),
    output:
        f"{RESULTS}/augment/{{dataset}}/shard{{shard}}-of-{{shards}}.jsonl",
    log:
        f"{RESULTS}/logs/augment_shard/{{dataset}}-{{shard}}-of-{{shards}}.log",
    benchmark:
        f"{RESULTS}/benchmarks_time/augment_shard/{{dataset}}-{{shard}}-of-{{shards}}.tsv"
    conda:
        "../config/environment.yaml"
    threads: 1
    resources:
        mem_mb=resources.memory(settings, "mllm"),
        runtime=720,
        gpu=resources.gpus(settings),
        gpu_model=resources.gpu_type(settings),
    params:
        mllm=stages.mllm_part(settings, "augment"),
        rda=stages.rda_part(settings),
        answers=lambda w: f"{RESULTS}/answers/augment-{w.dataset}",
        root=lambda w: paths.image_root(settings, w.dataset),
        version=stages.STAGE_VERSIONS["augment"],
    script:
        "../workflow_scripts/augment_shard.py"


rule gather_augmentation:
    input:
        pairs=f"{RESULTS}/pairs/{{dataset}}.parquet",
        shards=lambda w: or_stop(paths.augmentation_inputs, settings, w.dataset),
    output:
        augmented=f"{RESULTS}/augment/{{dataset}}/augmented.json",
        fallbacks=f"{RESULTS}/augment/{{dataset}}/fallbacks.json",
    log:
        f"{RESULTS}/logs/gather_augmentation/{{dataset}}.log",
    conda:
        "../config/environment.yaml"
    threads: 1
    resources:
        mem_mb=resources.memory(settings, "tables"),
        runtime=30,
        gpu=0,
    params:
        source=lambda w: names.augmentation_source(settings, w.dataset),
        version=stages.STAGE_VERSIONS["augment"],
    script:
        "../workflow_scripts/gather_augmentation.py"
