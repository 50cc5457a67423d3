# RDE, without and with RDA: train, embed the splits.


rule train_retriever:
    input:
        pairs="<results>/pairs/{dataset}.parquet",
        augmented=lambda w: paths.augmented_file(settings, w.dataset, w.method),
        checkpoint=lambda w: or_stop(paths.checkpoint_weights, settings),
        noise=lambda w: or_stop(local.file, settings.retriever.noise_file, "retriever.noise_file"),
    output:
        model="<results>/retriever/{dataset}/{method}/seed{seed}/model.safetensors",
        card="<results>/retriever/{dataset}/{method}/seed{seed}/model.json",
        ccd="<results>/retriever/{dataset}/{method}/seed{seed}/ccd.parquet",
        history="<results>/retriever/{dataset}/{method}/seed{seed}/history.csv",
        selection="<results>/retriever/{dataset}/{method}/seed{seed}/selection.json",
    log:
        "<results>/logs/train_retriever/{dataset}-{method}-seed{seed}.log",
    benchmark:
        "<results>/benchmarks_time/train_retriever/{dataset}-{method}-seed{seed}.tsv"
    wildcard_constraints:
        method=f"{names.one_of(names.TRAINED)}|{names.NOISY_RETRIEVER.pattern}",
    conda:
        "../config/environment.yaml"
    threads: settings.training_threads
    resources:
        **job("retriever", minutes=1440, gpus=settings.jobs.training_processes),
        nodes=settings.jobs.training_nodes,
        processes=settings.jobs.training_processes,
    params:
        settings=lambda w: stages.retriever_part(settings, w.dataset, w.method),
        root=lambda w: paths.image_root(settings, w.dataset),
        version=lambda w: stages.retriever_version(settings, w.method),
    script:
        "../workflow_scripts/train_retriever.py"


rule import_retriever:
    input:
        checkpoint=lambda w: or_stop(paths.given_weights, settings, w.dataset, w.method),
    output:
        model="<results>/retriever/{dataset}/{method}/seed{seed}/model.safetensors",
        card="<results>/retriever/{dataset}/{method}/seed{seed}/model.json",
        selection="<results>/retriever/{dataset}/{method}/seed{seed}/selection.json",
    log:
        "<results>/logs/import_retriever/{dataset}-{method}-seed{seed}.log",
    wildcard_constraints:
        method=names.one_of(names.given(settings, "checkpoint")),
    conda:
        "../config/environment.yaml"
    resources:
        **job("retriever", minutes=30),
    params:
        settings=lambda w: stages.retriever_part(settings, w.dataset, w.method),
        source=lambda w: names.given_source(settings, w.dataset, w.method),
        version=stages.STAGE_VERSIONS["retriever"],
    script:
        "../workflow_scripts/import_retriever.py"


rule import_scores:
    input:
        pairs="<results>/pairs/{dataset}.parquet",
        scores=lambda w: or_stop(paths.score_files, settings, w.dataset, w.method),
    output:
        folder=directory("<results>/embeddings/{dataset}/{method}/seed{seed}"),
        selection="<results>/retriever/{dataset}/{method}/seed{seed}/selection.json",
    log:
        "<results>/logs/import_scores/{dataset}-{method}-seed{seed}.log",
    wildcard_constraints:
        method=names.one_of(names.given(settings, "scores")),
    conda:
        "../config/environment.yaml"
    resources:
        **job("scores", minutes=30),
    params:
        version=stages.STAGE_VERSIONS["embed"],
    script:
        "../workflow_scripts/import_scores.py"


rule embed:
    input:
        pairs="<results>/pairs/{dataset}.parquet",
        model=lambda w: paths.retriever_weights(settings, w.dataset, w.method, w.seed),
    output:
        directory("<results>/embeddings/{dataset}/{method}/seed{seed}"),
    log:
        "<results>/logs/embed/{dataset}-{method}-seed{seed}.log",
    benchmark:
        "<results>/benchmarks_time/embed/{dataset}-{method}-seed{seed}.tsv"
    wildcard_constraints:
        method=f'{names.one_of([*names.TRAINED, *names.given(settings, "checkpoint"), *TRANSFERRED])}|{names.NOISY_RETRIEVER.pattern}',
    conda:
        "../config/environment.yaml"
    resources:
        **job("retriever", minutes=120, gpus=1),
    params:
        splits=lambda w: names.splits(settings, w.dataset, w.method),
        root=lambda w: paths.image_root(settings, w.dataset),
        version=stages.STAGE_VERSIONS["embed"],
    script:
        "../workflow_scripts/embed.py"
