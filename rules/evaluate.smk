# Retrieval metrics of a retriever alone.


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
