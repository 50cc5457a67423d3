# What others cite and compare: frozen versions of the embedded benchmarks, a folder for a data hub, results as one file.
GENERATED = [name for name, spec in settings.datasets.items() if spec.generator]


localrules:
    frozen,
    hub,


# Whether the benchmarks are those of a frozen version: `snakemake --cores all frozen`
rule frozen:
    input:
        expand("<results>/frozen/{dataset}.json", dataset=GENERATED),


rule check_frozen:
    input:
        annotations="<results>/benchmarks/{dataset}/reid_raw.json",
        truth="<results>/truth/{dataset}.parquet",
    output:
        "<results>/frozen/{dataset}.json",
    log:
        "<results>/logs/check_frozen/{dataset}.log",
    conda:
        "../config/environment.yaml"
    resources:
        **job("tables", minutes=10),
    params:
        spec=lambda w: stages.benchmark_part(settings, w.dataset),
        version=stages.STAGE_VERSIONS["benchmark"],
    script:
        "../workflow_scripts/check_frozen.py"


# The same as folders that a data hub takes as they are: `snakemake --cores all hub`
rule hub:
    input:
        expand("<results>/hub/{dataset}/SHA256SUMS", dataset=GENERATED),


rule hub_folder:
    input:
        known="<results>/frozen/{dataset}.json",
        annotations="<results>/benchmarks/{dataset}/reid_raw.json",
        truth="<results>/truth/{dataset}.parquet",
        licence=str(HOME / "LICENSE"),
    output:
        "<results>/hub/{dataset}/SHA256SUMS",
    log:
        "<results>/logs/hub_folder/{dataset}.log",
    conda:
        "../config/environment.yaml"
    resources:
        **job("tables", minutes=10),
    params:
        version=stages.STAGE_VERSIONS["report"],
    script:
        "../workflow_scripts/hub_folder.py"


# This run's rows with every query's values, as one file: `snakemake --cores all results_file`
rule results_file:
    input:
        table="<results>/table.csv",
        pairs=expand("<results>/pairs/{dataset}.parquet", dataset=settings.tabled),
    output:
        file="<results>/results.json",
        page="<results>/leaderboard.html",
    log:
        "<results>/logs/results_file.log",
    conda:
        "../config/environment.yaml"
    resources:
        **job("tables", minutes=10),
    params:
        rows=stages.table_part(settings)["rows"],
        version=stages.STAGE_VERSIONS["report"],
    script:
        "../workflow_scripts/results_file.py"
