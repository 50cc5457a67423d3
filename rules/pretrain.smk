# Retrain the shipped models (models/): `snakemake --cores all pretrained` writes below results/pretrained, so that the
# shipped weights stay until somebody points retriever.checkpoint and mllm.model at the new ones.


rule pretrained:
    input:
        expand(f"{R}/pretrained/{{model}}", model=("synthclip", "synthvl")),


rule pretrain:
    output:
        directory(f"{R}/pretrained/{{model}}"),
    log:
        f"{R}/logs/pretrain/{{model}}.log",
    benchmark:
        f"{R}/benchmarks_time/pretrain/{{model}}.tsv"
    wildcard_constraints:
        model="synthclip|synthvl",
    conda:
        "../config/environment.yaml"
    threads: settings.pretrain.threads
    resources:
        mem_mb=resources.memory(settings, "mllm"),
        runtime=360,
        gpu=0,
    params:
        settings=to_mapping(settings.pretrain),
        work=lambda w: f"{R}/pretrained/stages/{w.model}",
        version=runs.STAGE_VERSIONS["pretrain"],
    script:
        "../workflow_scripts/pretrain.py"
