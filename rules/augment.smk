# RDA: the MLLM describes, merges, splits and rewrites the training captions, in shards.


rule augment_shard:
    input:
        pairs=f"{R}/pairs/{{dataset}}.parquet",
        weights=runs.local_weights(settings.mllm.model),
    output:
        f"{R}/augment/{{dataset}}/shard{{shard}}-of-{{shards}}.jsonl",
    log:
        f"{R}/logs/augment_shard/{{dataset}}-{{shard}}-of-{{shards}}.log",
    benchmark:
        f"{R}/benchmarks_time/augment_shard/{{dataset}}-{{shard}}-of-{{shards}}.tsv"
    conda:
        "../config/environment.yaml"
    threads: 1
    resources:
        mem_mb=resources.memory(settings, "mllm"),
        runtime=720,
        gpu=resources.gpus(settings),
        gpu_model=resources.gpu_type(settings),
    params:
        mllm=runs.mllm_part(settings),
        rda=runs.rda_part(settings),
        answers=lambda w: f"{R}/answers/augment-{w.dataset}",
        root=lambda w: runs.image_root(settings, w.dataset),
        version=runs.STAGE_VERSIONS["augment"],
    script:
        "../workflow_scripts/augment_shard.py"


rule gather_augmentation:
    input:
        pairs=f"{R}/pairs/{{dataset}}.parquet",
        shards=lambda w: runs.augmentation_inputs(settings, w.dataset),
    output:
        augmented=f"{R}/augment/{{dataset}}/augmented.json",
        fallbacks=f"{R}/augment/{{dataset}}/fallbacks.json",
    log:
        f"{R}/logs/gather_augmentation/{{dataset}}.log",
    conda:
        "../config/environment.yaml"
    threads: 1
    resources:
        mem_mb=resources.memory(settings, "tables"),
        runtime=30,
        gpu=0,
    params:
        source=lambda w: runs.augmentation_source(settings, w.dataset),
        version=runs.STAGE_VERSIONS["augment"],
    script:
        "../workflow_scripts/gather_augmentation.py"
