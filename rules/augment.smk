# RDA: the MLLM describes, merges, splits and rewrites the training captions, in shards.


rule augment_shard:
    input:
        pairs="<results>/pairs/{dataset}.parquet",
        weights=lambda w: or_stop(paths.mllm_weights, settings),
    output:
        "<results>/augment/{dataset}/shard{shard}-of-{shards}.jsonl",
    log:
        "<results>/logs/augment_shard/{dataset}-{shard}-of-{shards}.log",
    benchmark:
        "<results>/benchmarks_time/augment_shard/{dataset}-{shard}-of-{shards}.tsv"
    priority: 1  # RDA's training waits for it, and then runs beside the baseline's
    conda:
        "../config/environment.yaml"
    resources:
        **job("mllm", minutes=720, gpus=1),
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
        pairs="<results>/pairs/{dataset}.parquet",
        shards=lambda w: or_stop(paths.augmentation_inputs, settings, w.dataset),
    output:
        augmented="<results>/augment/{dataset}/augmented.json",
        fallbacks="<results>/augment/{dataset}/fallbacks.json",
    log:
        "<results>/logs/gather_augmentation/{dataset}.log",
    conda:
        "../config/environment.yaml"
    resources:
        **job("tables", minutes=30),
    params:
        source=lambda w: names.augmentation_source(settings, w.dataset),
        version=stages.STAGE_VERSIONS["augment"],
    script:
        "../workflow_scripts/gather_augmentation.py"
