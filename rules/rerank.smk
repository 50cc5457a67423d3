# Re-rankings: captions of the gallery, parameters chosen on val, the test split, then seconds per query.
# One rule for every way of icl/rerank/ways.


# What the MLLM sees in each image of a gallery, told once, before any query.
rule describe_gallery:
    input:
        pairs="<results>/pairs/{dataset}.parquet",
        weights=lambda w: or_stop(paths.mllm_weights, settings),
    output:
        captions="<results>/captions/{dataset}/{split}/captions.jsonl",
        cost="<results>/captions/{dataset}/{split}/cost.json",
    log:
        "<results>/logs/describe_gallery/{dataset}-{split}.log",
    wildcard_constraints:
        split="val|test",
    conda:
        "../config/environment.yaml"
    resources:
        **job("mllm", minutes=720, gpus=1),
    params:
        mllm=stages.mllm_part(settings, "describe"),
        answers=lambda w: f"{RESULTS}/answers/{w.dataset}-gallery",
        root=lambda w: paths.image_root(settings, w.dataset),
        version=stages.STAGE_VERSIONS["describe"],
    script:
        "../workflow_scripts/describe_gallery.py"


rule choose_parameters:
    input:
        pairs="<results>/pairs/{dataset}.parquet",
        model=lambda w: paths.way_weights(settings, w.way, w.dataset, w.method, w.seed),
        embeddings="<results>/embeddings/{dataset}/{method}/seed{seed}",
        adapter=lambda w: paths.adapter_file(settings, w.judge, w.seed),
        chosen=lambda w: paths.taken_files(settings, w.way, w.dataset, w.method, w.judge, w.seed),
        captions=lambda w: paths.captions_file(settings, w.way, w.dataset, "val"),
        weights=lambda w: or_stop(paths.way_mllm, settings, w.way),
    output:
        "<results>/{way}/{dataset}/{method}/{judge}/seed{seed}/chosen.json",
    log:
        "<results>/logs/choose_parameters/{way}-{dataset}-{method}-{judge}-seed{seed}.log",
    benchmark:
        "<results>/benchmarks_time/choose_parameters/{way}-{dataset}-{method}-{judge}-seed{seed}.tsv"
    conda:
        "../config/environment.yaml"
    resources:
        **job("way", minutes=720),
    params:
        settings=lambda w: stages.way_part(settings, w.way),
        mllm=lambda w: stages.answering_part(settings, w.way),
        fixed=lambda w: stages.fixed_parameters(settings, w.way, w.dataset),
        answers=lambda w: f"{RESULTS}/answers/{w.dataset}-val",
        root=lambda w: paths.image_root(settings, w.dataset),
        version=lambda w: stages.way_version(w.way),
    script:
        "../workflow_scripts/choose_parameters.py"


# All ways of a retriever and judge share their answers, so that none asks what another has asked.
rule rerank:
    input:
        pairs="<results>/pairs/{dataset}.parquet",
        model=lambda w: paths.way_weights(settings, w.way, w.dataset, w.method, w.seed),
        embeddings="<results>/embeddings/{dataset}/{method}/seed{seed}",
        adapter=lambda w: paths.adapter_file(settings, w.judge, w.seed),
        chosen=lambda w: paths.chosen_files(settings, w.way, w.dataset, w.method, w.judge, w.seed),
        captions=lambda w: paths.captions_file(settings, w.way, w.dataset, "test"),
        weights=lambda w: or_stop(paths.way_mllm, settings, w.way),
    output:
        record="<results>/{way}/{dataset}/{method}/{judge}/seed{seed}/record.jsonl",
        metrics="<results>/{way}/{dataset}/{method}/{judge}/seed{seed}/metrics.json",
    log:
        "<results>/logs/rerank/{way}-{dataset}-{method}-{judge}-seed{seed}.log",
    benchmark:
        "<results>/benchmarks_time/rerank/{way}-{dataset}-{method}-{judge}-seed{seed}.tsv"
    conda:
        "../config/environment.yaml"
    resources:
        **job("way", minutes=720),
    params:
        settings=lambda w: stages.way_part(settings, w.way),
        mllm=lambda w: stages.answering_part(settings, w.way),
        answers=lambda w: f"{RESULTS}/answers/{w.dataset}-{w.method}-{w.judge}-seed{w.seed}-test",
        root=lambda w: paths.image_root(settings, w.dataset),
        version=lambda w: stages.way_version(w.way),
    script:
        "../workflow_scripts/rerank.py"


# All rows of a table in one job, so that they are timed on one machine, with nothing of this run beside them.
rule time_rerankings:
    input:
        pairs="<results>/pairs/{dataset}.parquet",
        opened=lambda w: or_stop(timed.timed_files, settings, w.table, w.dataset, w.seed),
    output:
        "<results>/timing/{dataset}/seed{seed}/{table}.json",
    log:
        "<results>/logs/time_rerankings/{table}-{dataset}-seed{seed}.log",
    wildcard_constraints:
        table=names.one_of(timed.TABLES),
    conda:
        "../config/environment.yaml"
    threads: settings.threads
    resources:
        **job("timing", minutes=720, gpus=1),
    params:
        rows=lambda w: timed.timed_rows(settings, w.table, w.dataset, w.seed),
        passes=settings.thi.timing_passes,
        root=lambda w: paths.image_root(settings, w.dataset),
    script:
        "../workflow_scripts/time_rerankings.py"
