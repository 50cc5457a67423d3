# Re-rankings to compare THI with: by the Yes probability of the first images, and k-reciprocal without an MLLM.


rule rerank_yes:
    input:
        pairs=f"{RESULTS}/pairs/{{dataset}}.parquet",
        model=lambda w: paths.retriever_weights(settings, w.dataset, w.method, w.seed),
        embeddings=f"{RESULTS}/embeddings/{{dataset}}/{{method}}/seed{{seed}}",
        adapter=lambda w: paths.adapter_file(settings, w.judge, w.seed),
        weights=lambda w: or_stop(paths.mllm_weights, settings),
    output:
        metrics=f"{RESULTS}/yes/{{dataset}}/{{method}}/{{judge}}/seed{{seed}}/metrics.json",
        timing=f"{RESULTS}/yes/{{dataset}}/{{method}}/{{judge}}/seed{{seed}}/timing.json",
    log:
        f"{RESULTS}/logs/rerank_yes/{{dataset}}-{{method}}-{{judge}}-seed{{seed}}.log",
    benchmark:
        f"{RESULTS}/benchmarks_time/rerank_yes/{{dataset}}-{{method}}-{{judge}}-seed{{seed}}.tsv"
    conda:
        "../config/environment.yaml"
    threads: settings.threads
    resources:
        mem_mb=resources.memory(settings, "mllm"),
        runtime=720,
        gpu=resources.gpus(settings),
        gpu_model=resources.gpu_type(settings),
    params:
        settings={},
        mllm=stages.mllm_part(settings, "judge"),
        top_k=settings.thi.yes_top_k,
        timing_queries=settings.thi.timing_queries,
        answers=lambda w: f"{RESULTS}/answers/{w.dataset}-{w.method}-{w.judge}-seed{w.seed}-yes",
        root=lambda w: paths.image_root(settings, w.dataset),
        version=stages.STAGE_VERSIONS["rerank"],
    script:
        "../workflow_scripts/rerank_yes.py"


rule rerank_neighbours:
    input:
        pairs=f"{RESULTS}/pairs/{{dataset}}.parquet",
        embeddings=f"{RESULTS}/embeddings/{{dataset}}/{{method}}/seed{{seed}}",
    output:
        metrics=f"{RESULTS}/neighbours/{{dataset}}/{{method}}/none/seed{{seed}}/metrics.json",
        timing=f"{RESULTS}/neighbours/{{dataset}}/{{method}}/none/seed{{seed}}/timing.json",
    log:
        f"{RESULTS}/logs/rerank_neighbours/{{dataset}}-{{method}}-seed{{seed}}.log",
    conda:
        "../config/environment.yaml"
    threads: 1
    resources:
        mem_mb=resources.memory(settings, "scores"),
        runtime=120,
        gpu=0,
    params:
        version=stages.STAGE_VERSIONS["rerank"],
    script:
        "../workflow_scripts/rerank_neighbours.py"
