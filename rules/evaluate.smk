# Retrieval metrics, and THI (Algorithm 1): threshold on val, interaction on test, time per query.


rule metrics:
    input:
        embeddings=f"{R}/embeddings/{{dataset}}/{{method}}/seed{{seed}}",
    output:
        f"{R}/metrics/{{dataset}}/{{method}}/seed{{seed}}/test.json",
    log:
        f"{R}/logs/metrics/{{dataset}}-{{method}}-seed{{seed}}.log",
    conda:
        "../config/environment.yaml"
    threads: 1
    resources:
        mem_mb=4000,
        runtime=30,
        gpu=0,
    params:
        bootstrap=settings.bootstrap,
        version=runs.STAGE_VERSIONS["metrics"],
    script:
        "../workflow_scripts/metrics.py"


rule select_xi:
    input:
        pairs=f"{R}/pairs/{{dataset}}.parquet",
        model=f"{R}/retriever/{{dataset}}/{{method}}/seed{{seed}}/model.safetensors",
        embeddings=f"{R}/embeddings/{{dataset}}/{{method}}/seed{{seed}}",
        adapter=lambda w: runs.adapter_file(settings, w.judge, w.seed),
        weights=runs.local_weights(settings.mllm.model),
    output:
        xi=f"{R}/thi/{{dataset}}/{{method}}/{{judge}}/seed{{seed}}/xi.json",
    log:
        f"{R}/logs/select_xi/{{dataset}}-{{method}}-{{judge}}-seed{{seed}}.log",
    benchmark:
        f"{R}/benchmarks_time/select_xi/{{dataset}}-{{method}}-{{judge}}-seed{{seed}}.tsv"
    conda:
        "../config/environment.yaml"
    threads: 1
    resources:
        mem_mb=6000,
        runtime=720,
        gpu=0,
    params:
        settings=runs.interaction_part(settings),
        mllm=runs.mllm_part(settings),
        xi=lambda w: settings.datasets[w.dataset].xi,
        answers=lambda w: f"{R}/answers",
        root=lambda w: runs.image_root(settings, w.dataset),
        version=runs.STAGE_VERSIONS["thi"],
    script:
        "../workflow_scripts/select_xi.py"


rule thi:
    input:
        pairs=f"{R}/pairs/{{dataset}}.parquet",
        model=f"{R}/retriever/{{dataset}}/{{method}}/seed{{seed}}/model.safetensors",
        embeddings=f"{R}/embeddings/{{dataset}}/{{method}}/seed{{seed}}",
        adapter=lambda w: runs.adapter_file(settings, w.judge, w.seed),
        xi=f"{R}/thi/{{dataset}}/{{method}}/{{judge}}/seed{{seed}}/xi.json",
        weights=runs.local_weights(settings.mllm.model),
    output:
        record=f"{R}/thi/{{dataset}}/{{method}}/{{judge}}/seed{{seed}}/record.jsonl",
        metrics=f"{R}/thi/{{dataset}}/{{method}}/{{judge}}/seed{{seed}}/metrics.json",
    log:
        f"{R}/logs/thi/{{dataset}}-{{method}}-{{judge}}-seed{{seed}}.log",
    benchmark:
        f"{R}/benchmarks_time/thi/{{dataset}}-{{method}}-{{judge}}-seed{{seed}}.tsv"
    conda:
        "../config/environment.yaml"
    threads: 1
    resources:
        mem_mb=6000,
        runtime=720,
        gpu=0,
    params:
        settings=runs.interaction_part(settings),
        mllm=runs.mllm_part(settings),
        bootstrap=settings.bootstrap,
        answers=lambda w: f"{R}/answers",
        root=lambda w: runs.image_root(settings, w.dataset),
        version=runs.STAGE_VERSIONS["thi"],
    script:
        "../workflow_scripts/thi.py"


rule time_thi:
    input:
        pairs=f"{R}/pairs/{{dataset}}.parquet",
        model=f"{R}/retriever/{{dataset}}/{{method}}/seed{{seed}}/model.safetensors",
        embeddings=f"{R}/embeddings/{{dataset}}/{{method}}/seed{{seed}}",
        adapter=lambda w: runs.adapter_file(settings, w.judge, w.seed),
        xi=f"{R}/thi/{{dataset}}/{{method}}/{{judge}}/seed{{seed}}/xi.json",
        record=f"{R}/thi/{{dataset}}/{{method}}/{{judge}}/seed{{seed}}/record.jsonl",
        weights=runs.local_weights(settings.mllm.model),
    output:
        f"{R}/thi/{{dataset}}/{{method}}/{{judge}}/seed{{seed}}/timing.json",
    log:
        f"{R}/logs/time_thi/{{dataset}}-{{method}}-{{judge}}-seed{{seed}}.log",
    benchmark:
        f"{R}/benchmarks_time/time_thi/{{dataset}}-{{method}}-{{judge}}-seed{{seed}}.tsv"
    conda:
        "../config/environment.yaml"
    threads: workflow.cores
    resources:
        mem_mb=6000,
        runtime=720,
        gpu=0,
    params:
        settings=to_mapping(settings.thi),
        mllm=runs.mllm_part(settings),
        root=lambda w: runs.image_root(settings, w.dataset),
        version=runs.STAGE_VERSIONS["timing"],
    script:
        "../workflow_scripts/time_thi.py"
