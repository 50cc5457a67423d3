# Retrieval metrics, and THI (Algorithm 1): threshold on val, interaction on test, time per query.


rule metrics:
    input:
        pairs=f"{RESULTS}/pairs/{{dataset}}.parquet",
        embeddings=f"{RESULTS}/embeddings/{{dataset}}/{{method}}/seed{{seed}}",
    output:
        f"{RESULTS}/metrics/{{dataset}}/{{method}}/seed{{seed}}/test.json",
    log:
        f"{RESULTS}/logs/metrics/{{dataset}}-{{method}}-seed{{seed}}.log",
    conda:
        "../config/environment.yaml"
    threads: 1
    resources:
        mem_mb=resources.memory(settings, "scores"),
        runtime=30,
        gpu=0,
    params:
        version=stages.STAGE_VERSIONS["metrics"],
    script:
        "../workflow_scripts/metrics.py"


rule select_xi:
    input:
        pairs=f"{RESULTS}/pairs/{{dataset}}.parquet",
        model=lambda w: paths.retriever_weights(settings, w.dataset, w.method, w.seed),
        embeddings=f"{RESULTS}/embeddings/{{dataset}}/{{method}}/seed{{seed}}",
        adapter=lambda w: paths.adapter_file(settings, w.judge, w.seed),
        weights=lambda w: or_stop(paths.mllm_weights, settings),
    output:
        xi=f"{RESULTS}/thi/{{dataset}}/{{method}}/{{judge}}/seed{{seed}}/xi.json",
    log:
        f"{RESULTS}/logs/select_xi/{{dataset}}-{{method}}-{{judge}}-seed{{seed}}.log",
    benchmark:
        f"{RESULTS}/benchmarks_time/select_xi/{{dataset}}-{{method}}-{{judge}}-seed{{seed}}.tsv"
    conda:
        "../config/environment.yaml"
    threads: 1
    resources:
        mem_mb=resources.memory(settings, "mllm"),
        runtime=720,
        gpu=resources.gpus(settings),
        gpu_model=resources.gpu_type(settings),
    params:
        settings=stages.interaction_part(settings),
        mllm=stages.mllm_part(settings, "thi"),
        xi=lambda w: settings.datasets[w.dataset].xi,
        answers=lambda w: f"{RESULTS}/answers/{w.dataset}-val",
        root=lambda w: paths.image_root(settings, w.dataset),
        version=stages.STAGE_VERSIONS["thi"],
    script:
        "../workflow_scripts/select_xi.py"


rule thi:
    input:
        pairs=f"{RESULTS}/pairs/{{dataset}}.parquet",
        model=lambda w: paths.retriever_weights(settings, w.dataset, w.method, w.seed),
        embeddings=f"{RESULTS}/embeddings/{{dataset}}/{{method}}/seed{{seed}}",
        adapter=lambda w: paths.adapter_file(settings, w.judge, w.seed),
        xi=lambda w: paths.xi_file(settings, w.dataset, w.method, w.judge, w.seed),
        weights=lambda w: or_stop(paths.mllm_weights, settings),
    output:
        record=f"{RESULTS}/thi/{{dataset}}/{{method}}/{{judge}}/seed{{seed}}/record.jsonl",
        metrics=f"{RESULTS}/thi/{{dataset}}/{{method}}/{{judge}}/seed{{seed}}/metrics.json",
        timing=f"{RESULTS}/thi/{{dataset}}/{{method}}/{{judge}}/seed{{seed}}/timing.json",
    log:
        f"{RESULTS}/logs/thi/{{dataset}}-{{method}}-{{judge}}-seed{{seed}}.log",
    benchmark:
        f"{RESULTS}/benchmarks_time/thi/{{dataset}}-{{method}}-{{judge}}-seed{{seed}}.tsv"
    conda:
        "../config/environment.yaml"
    threads: settings.threads
    resources:
        mem_mb=resources.memory(settings, "mllm"),
        runtime=720,
        gpu=resources.gpus(settings),
        gpu_model=resources.gpu_type(settings),
    params:
        settings=stages.interaction_part(settings),
        mllm=stages.mllm_part(settings, "thi"),
        timing_queries=settings.thi.timing_queries,
        answers=lambda w: f"{RESULTS}/answers/{w.dataset}-{w.method}-{w.judge}-seed{w.seed}-test",
        root=lambda w: paths.image_root(settings, w.dataset),
        version=stages.STAGE_VERSIONS["thi"],
    script:
        "../workflow_scripts/thi.py"
