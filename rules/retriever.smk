# RDE, without and with RDA: train, embed the splits.


rule train_retriever:
    input:
        pairs=f"{RESULTS}/pairs/{{dataset}}.parquet",
        augmented=lambda w: paths.augmented_file(settings, w.dataset, w.method),
        checkpoint=lambda w: or_stop(paths.checkpoint_weights, settings),
        noise=lambda w: or_stop(local.file, settings.retriever.noise_file, "retriever.noise_file"),
    output:
        model=f"{RESULTS}/retriever/{{dataset}}/{{method}}/seed{{seed}}/model.safetensors",
        card=f"{RESULTS}/retriever/{{dataset}}/{{method}}/seed{{seed}}/model.json",
        ccd=f"{RESULTS}/retriever/{{dataset}}/{{method}}/seed{{seed}}/ccd.parquet",
        history=f"{RESULTS}/retriever/{{dataset}}/{{method}}/seed{{seed}}/history.csv",
        selection=f"{RESULTS}/retriever/{{dataset}}/{{method}}/seed{{seed}}/selection.json",
    log:
        f"{RESULTS}/logs/train_retriever/{{dataset}}-{{method}}-seed{{seed}}.log",
    benchmark:
        f"{RESULTS}/benchmarks_time/train_retriever/{{dataset}}-{{method}}-seed{{seed}}.tsv"
    wildcard_constraints:
        method=f"{names.one_of(names.TRAINED)}|{names.NOISY_RETRIEVER.pattern}",
    conda:
        "../config/environment.yaml"
    threads: settings.training_threads
    resources:
        mem_mb=resources.memory(settings, "retriever"),
        runtime=1440,
        nodes=settings.jobs.training_nodes,
        processes=settings.jobs.training_processes,
        gpu=resources.gpus(settings, settings.jobs.training_processes),
        gpu_model=resources.gpu_type(settings),
    params:
        settings=lambda w: stages.retriever_part(settings, w.dataset, w.method),
        root=lambda w: paths.image_root(settings, w.dataset),
        version=stages.STAGE_VERSIONS["retriever"],
    script:
        "../workflow_scripts/train_retriever.py"


rule import_retriever:
    input:
        checkpoint=lambda w: or_stop(paths.given_weights, settings, w.dataset, w.method),
    output:
        model=f"{RESULTS}/retriever/{{dataset}}/{{method}}/seed{{seed}}/model.safetensors",
        card=f"{RESULTS}/retriever/{{dataset}}/{{method}}/seed{{seed}}/model.json",
        selection=f"{RESULTS}/retriever/{{dataset}}/{{method}}/seed{{seed}}/selection.json",
    log:
        f"{RESULTS}/logs/import_retriever/{{dataset}}-{{method}}-seed{{seed}}.log",
    wildcard_constraints:
        method=names.one_of(names.given(settings, "checkpoint")),
    conda:
        "../config/environment.yaml"
    threads: 1
    resources:
        mem_mb=resources.memory(settings, "retriever"),
        runtime=30,
        gpu=0,
    params:
        settings=lambda w: stages.retriever_part(settings, w.dataset, w.method),
        source=lambda w: names.given_source(settings, w.dataset, w.method),
        version=stages.STAGE_VERSIONS["retriever"],
    script:
        "../workflow_scripts/import_retriever.py"


rule import_scores:
    input:
        pairs=f"{RESULTS}/pairs/{{dataset}}.parquet",
        scores=lambda w: or_stop(paths.score_files, settings, w.dataset, w.method),
    output:
        folder=directory(f"{RESULTS}/embeddings/{{dataset}}/{{method}}/seed{{seed}}"),
        selection=f"{RESULTS}/retriever/{{dataset}}/{{method}}/seed{{seed}}/selection.json",
    log:
        f"{RESULTS}/logs/import_scores/{{dataset}}-{{method}}-seed{{seed}}.log",
    wildcard_constraints:
        method=names.one_of(names.given(settings, "scores")),
    conda:
        "../config/environment.yaml"
    threads: 1
    resources:
        mem_mb=resources.memory(settings, "scores"),
        runtime=30,
        gpu=0,
    params:
        version=stages.STAGE_VERSIONS["embed"],
    script:
        "../workflow_scripts/import_scores.py"


rule embed:
    input:
        pairs=f"{RESULTS}/pairs/{{dataset}}.parquet",
        model=lambda w: paths.retriever_weights(settings, w.dataset, w.method, w.seed),
    output:
        directory(f"{RESULTS}/embeddings/{{dataset}}/{{method}}/seed{{seed}}"),
    log:
        f"{RESULTS}/logs/embed/{{dataset}}-{{method}}-seed{{seed}}.log",
    benchmark:
        f"{RESULTS}/benchmarks_time/embed/{{dataset}}-{{method}}-seed{{seed}}.tsv"
    wildcard_constraints:
        method=f'{names.one_of([*names.TRAINED, *names.given(settings, "checkpoint"), *TRANSFERRED])}|{names.NOISY_RETRIEVER.pattern}',
    conda:
        "../config/environment.yaml"
    threads: 1
    resources:
        mem_mb=resources.memory(settings, "retriever"),
        runtime=120,
        gpu=resources.gpus(settings),
        gpu_model=resources.gpu_type(settings),
    params:
        splits=lambda w: names.splits(settings, w.dataset, w.method),
        root=lambda w: paths.image_root(settings, w.dataset),
        version=stages.STAGE_VERSIONS["embed"],
    script:
        "../workflow_scripts/embed.py"
