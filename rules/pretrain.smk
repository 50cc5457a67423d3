# Retrain the shipped models (models/): `snakemake --cores all pretrained` writes below results/pretrained, so that the
# shipped weights stay until somebody points retriever.checkpoint and mllm.model at the new ones.


rule pretrained:
    input:
        expand("<results>/pretrained/{model}", model=("synthclip", "synthvl")),


rule pretrain:
    output:
        directory("<results>/pretrained/{model}"),
    log:
        "<results>/logs/pretrain/{model}.log",
    benchmark:
        "<results>/benchmarks_time/pretrain/{model}.tsv"
    wildcard_constraints:
        model="synthclip|synthvl",
    conda:
        "../config/environment.yaml"
    threads: settings.pretrain.threads
    resources:
        **job("mllm", minutes=360),
    params:
        settings=decisive(settings.pretrain),
        work=lambda w: f"{RESULTS}/pretrained/stages/{w.model}",
        version=stages.STAGE_VERSIONS["pretrain"],
    script:
        "../workflow_scripts/pretrain.py"
