# Retrieval metrics of a retriever alone.


rule metrics:
    input:
        pairs="<results>/pairs/{dataset}.parquet",
        embeddings="<results>/embeddings/{dataset}/{method}/seed{seed}",
    output:
        "<results>/metrics/{dataset}/{method}/seed{seed}/test.json",
    log:
        "<results>/logs/metrics/{dataset}-{method}-seed{seed}.log",
    conda:
        "../config/environment.yaml"
    resources:
        **job("scores", minutes=30),
    params:
        version=stages.STAGE_VERSIONS["metrics"],
    script:
        "../workflow_scripts/metrics.py"
