# Re-rankings: captions of the gallery, parameters chosen on val, then the test split. One rule for every way of icl/rerank/ways.


# What the MLLM sees in each image of a gallery, told once, before any query.
rule describe_gallery:
    input:
        pairs=f"{RESULTS}/pairs/{{dataset}}.parquet",
        weights=lambda w: or_stop(paths.mllm_weights, settings),
    output:
        captions=f"{RESULTS}/captions/{{dataset}}/{{split}}/captions.jsonl",
        cost=f"{RESULTS}/captions/{{dataset}}/{{split}}/cost.json",
    log:
        f"{RESULTS}/logs/describe_gallery/{{dataset}}-{{split}}.log",
    wildcard_constraints:
        split="val|test",
    conda:
        "../config/environment.yaml"
    threads: 1
    resources:
        mem_mb=resources.memory(settings, "mllm"),
        runtime=720,
        gpu=resources.gpus(settings),
        gpu_model=resources.gpu_type(settings),
    params:
        mllm=stages.mllm_part(settings, "describe"),
        answers=lambda w: f"{RESULTS}/answers/{w.dataset}-gallery",
        root=lambda w: paths.image_root(settings, w.dataset),
        version=stages.STAGE_VERSIONS["describe"],
    script:
        "../workflow_scripts/describe_gallery.py"


rule choose_parameters:
    input:
        pairs=f"{RESULTS}/pairs/{{dataset}}.parquet",
        model=lambda w: paths.way_weights(settings, w.way, w.dataset, w.method, w.seed),
        embeddings=f"{RESULTS}/embeddings/{{dataset}}/{{method}}/seed{{seed}}",
        adapter=lambda w: paths.adapter_file(settings, w.judge, w.seed),
        chosen=lambda w: paths.taken_files(settings, w.way, w.dataset, w.method, w.judge, w.seed),
        captions=lambda w: paths.captions_file(settings, w.way, w.dataset, "val"),
        weights=lambda w: or_stop(paths.way_mllm, settings, w.way),
    output:
        f"{RESULTS}/{{way}}/{{dataset}}/{{method}}/{{judge}}/seed{{seed}}/chosen.json",
    log:
        f"{RESULTS}/logs/choose_parameters/{{way}}-{{dataset}}-{{method}}-{{judge}}-seed{{seed}}.log",
    benchmark:
        f"{RESULTS}/benchmarks_time/choose_parameters/{{way}}-{{dataset}}-{{method}}-{{judge}}-seed{{seed}}.tsv"
    conda:
        "../config/environment.yaml"
    threads: 1
    resources:
        mem_mb=resources.way_memory(settings),
        runtime=720,
        gpu=resources.way_gpus(settings),
        gpu_model=resources.gpu_type(settings),
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
        pairs=f"{RESULTS}/pairs/{{dataset}}.parquet",
        model=lambda w: paths.way_weights(settings, w.way, w.dataset, w.method, w.seed),
        embeddings=f"{RESULTS}/embeddings/{{dataset}}/{{method}}/seed{{seed}}",
        adapter=lambda w: paths.adapter_file(settings, w.judge, w.seed),
        chosen=lambda w: paths.chosen_files(settings, w.way, w.dataset, w.method, w.judge, w.seed),
        captions=lambda w: paths.captions_file(settings, w.way, w.dataset, "test"),
        weights=lambda w: or_stop(paths.way_mllm, settings, w.way),
    output:
        record=f"{RESULTS}/{{way}}/{{dataset}}/{{method}}/{{judge}}/seed{{seed}}/record.jsonl",
        metrics=f"{RESULTS}/{{way}}/{{dataset}}/{{method}}/{{judge}}/seed{{seed}}/metrics.json",
        timing=f"{RESULTS}/{{way}}/{{dataset}}/{{method}}/{{judge}}/seed{{seed}}/timing.json",
    log:
        f"{RESULTS}/logs/rerank/{{way}}-{{dataset}}-{{method}}-{{judge}}-seed{{seed}}.log",
    benchmark:
        f"{RESULTS}/benchmarks_time/rerank/{{way}}-{{dataset}}-{{method}}-{{judge}}-seed{{seed}}.tsv"
    conda:
        "../config/environment.yaml"
    threads: settings.threads
    resources:
        mem_mb=resources.way_memory(settings),
        runtime=720,
        gpu=resources.way_gpus(settings),
        gpu_model=resources.gpu_type(settings),
    params:
        settings=lambda w: stages.way_part(settings, w.way),
        mllm=lambda w: stages.answering_part(settings, w.way),
        timing_queries=lambda w: None if WAYS[w.way].whole else settings.thi.timing_queries,
        timing_passes=settings.thi.timing_passes,
        answers=lambda w: f"{RESULTS}/answers/{w.dataset}-{w.method}-{w.judge}-seed{w.seed}-test",
        root=lambda w: paths.image_root(settings, w.dataset),
        version=lambda w: stages.way_version(w.way),
    script:
        "../workflow_scripts/rerank.py"
