# RDE, without and with RDA: train, embed the splits.


rule train_retriever:
    input:
        pairs=f"{R}/pairs/{{dataset}}.parquet",
        augmented=lambda w: runs.augmented_file(settings, w.dataset, w.method),
        checkpoint=runs.local_weights(settings.retriever.checkpoint),
    output:
        model=f"{R}/retriever/{{dataset}}/{{method}}/seed{{seed}}/model.safetensors",
        card=f"{R}/retriever/{{dataset}}/{{method}}/seed{{seed}}/model.json",
        ccd=f"{R}/retriever/{{dataset}}/{{method}}/seed{{seed}}/ccd.parquet",
        history=f"{R}/retriever/{{dataset}}/{{method}}/seed{{seed}}/history.csv",
        selection=f"{R}/retriever/{{dataset}}/{{method}}/seed{{seed}}/selection.json",
    log:
        f"{R}/logs/train_retriever/{{dataset}}-{{method}}-seed{{seed}}.log",
    benchmark:
        f"{R}/benchmarks_time/train_retriever/{{dataset}}-{{method}}-seed{{seed}}.tsv"
    wildcard_constraints:
        method=f"{runs.one_of(TRAINED)}|{runs.NOISY}",
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
        settings=lambda w: runs.retriever_part(settings, w.dataset, w.method),
        root=lambda w: runs.image_root(settings, w.dataset),
        version=runs.STAGE_VERSIONS["retriever"],
    script:
        "../workflow_scripts/train_retriever.py"


rule import_retriever:
    input:
        checkpoint=lambda w: runs.local_source(settings, w.dataset, w.method),
    output:
        model=f"{R}/retriever/{{dataset}}/{{method}}/seed{{seed}}/model.safetensors",
        card=f"{R}/retriever/{{dataset}}/{{method}}/seed{{seed}}/model.json",
        selection=f"{R}/retriever/{{dataset}}/{{method}}/seed{{seed}}/selection.json",
    log:
        f"{R}/logs/import_retriever/{{dataset}}-{{method}}-seed{{seed}}.log",
    wildcard_constraints:
        method=runs.one_of(runs.given(settings, "checkpoint")),
    conda:
        "../config/environment.yaml"
    threads: 1
    resources:
        mem_mb=resources.memory(settings, "retriever"),
        runtime=30,
        gpu=0,
    params:
        settings=lambda w: runs.retriever_part(settings, w.dataset, w.method),
        source=lambda w: runs.given_source(settings, w.dataset, w.method),
        version=runs.STAGE_VERSIONS["retriever"],
    script:
        "../workflow_scripts/import_retriever.py"


rule import_scores:
    input:
        pairs=f"{R}/pairs/{{dataset}}.parquet",
        scores=lambda w: or_stop(runs.score_files, settings, w.dataset, w.method),
    output:
        folder=directory(f"{R}/embeddings/{{dataset}}/{{method}}/seed{{seed}}"),
        selection=f"{R}/retriever/{{dataset}}/{{method}}/seed{{seed}}/selection.json",
    log:
        f"{R}/logs/import_scores/{{dataset}}-{{method}}-seed{{seed}}.log",
    wildcard_constraints:
        method=runs.one_of(runs.given(settings, "scores")),
    conda:
        "../config/environment.yaml"
    threads: 1
    resources:
        mem_mb=resources.memory(settings, "scores"),
        runtime=30,
        gpu=0,
    params:
        version=runs.STAGE_VERSIONS["embed"],
    script:
        "../workflow_scripts/import_scores.py"


rule embed:
    input:
        pairs=f"{R}/pairs/{{dataset}}.parquet",
        model=lambda w: runs.retriever_weights(settings, w.dataset, w.method, w.seed),
    output:
        directory(f"{R}/embeddings/{{dataset}}/{{method}}/seed{{seed}}"),
    log:
        f"{R}/logs/embed/{{dataset}}-{{method}}-seed{{seed}}.log",
    benchmark:
        f"{R}/benchmarks_time/embed/{{dataset}}-{{method}}-seed{{seed}}.tsv"
    wildcard_constraints:
        method=f'{runs.one_of([*TRAINED, *runs.given(settings, "checkpoint"), *MOVED])}|{runs.NOISY}',
    conda:
        "../config/environment.yaml"
    threads: 1
    resources:
        mem_mb=resources.memory(settings, "retriever"),
        runtime=120,
        gpu=resources.gpus(settings),
        gpu_model=resources.gpu_type(settings),
    params:
        splits=lambda w: runs.splits(settings, w.dataset, w.method),
        root=lambda w: runs.image_root(settings, w.dataset),
        version=runs.STAGE_VERSIONS["embed"],
    script:
        "../workflow_scripts/embed.py"
