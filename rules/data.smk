# Benchmarks: write the embedded ones, read any layout into one table of pairs.


rule benchmark:
    output:
        images=directory("<results>/benchmarks/{dataset}/imgs"),
        annotations="<results>/benchmarks/{dataset}/reid_raw.json",
        truth="<results>/truth/{dataset}.parquet",
    log:
        "<results>/logs/benchmark/{dataset}.log",
    benchmark:
        "<results>/benchmarks_time/benchmark/{dataset}.tsv"
    conda:
        "../config/environment.yaml"
    resources:
        **job("tables", minutes=10),
    params:
        spec=lambda w: stages.benchmark_part(settings, w.dataset),
        version=stages.STAGE_VERSIONS["benchmark"],
    script:
        "../workflow_scripts/benchmark.py"


for dataset, spec in settings.datasets.items():
    if spec.download:

        rule:
            name:
                f"download_{dataset}"
            output:
                paths.annotation_files(settings, dataset),
            log:
                f"<results>/logs/download/{dataset}.log",
            conda:
                "../config/environment.yaml"
            resources:
                **job("tables", minutes=240),
            params:
                layout=spec.layout,
                root=spec.root,
                url=spec.download_url,
            script:
                "../workflow_scripts/download.py"


rule pairs:
    input:
        lambda w: or_stop(paths.benchmark_files, settings, w.dataset, workflow.overwrite_configfiles),
    output:
        "<results>/pairs/{dataset}.parquet",
    log:
        "<results>/logs/pairs/{dataset}.log",
    conda:
        "../config/environment.yaml"
    resources:
        **job("tables", minutes=10),
    params:
        layout=lambda w: settings.datasets[w.dataset].layout,
        root=lambda w: paths.benchmark_root(settings, w.dataset),
        version=lambda w: stages.pairs_version(settings, w.dataset),
    script:
        "../workflow_scripts/pairs.py"


rule contact_sheet:
    input:
        expand("<results>/benchmarks/{dataset}/reid_raw.json", dataset=names.generated(settings)[:1]),
    output:
        "<results>/figures/contact_sheet.png",
    log:
        "<results>/logs/contact_sheet.log",
    conda:
        "../config/environment.yaml"
    resources:
        **job("tables", minutes=5),
    script:
        "../workflow_scripts/contact_sheet.py"


rule verify_benchmark:
    input:
        lambda w: paths.generated_files(settings, w.dataset),
    output:
        "<results>/verify/{dataset}.json",
    log:
        "<results>/logs/verify/{dataset}.log",
    conda:
        "../config/environment.yaml"
    threads: 2
    resources:
        **job("tables", minutes=120),
    params:
        layout=lambda w: settings.datasets[w.dataset].layout,
        root=lambda w: paths.benchmark_root(settings, w.dataset),
        generated=lambda w: bool(settings.datasets[w.dataset].generator),
        state=lambda w: paths.annotation_state(settings, w.dataset),
    script:
        "../workflow_scripts/verify_benchmark.py"


rule verify:
    input:
        expand("<results>/verify/{dataset}.json", dataset=settings.datasets),
    output:
        "<results>/verify.md",
    log:
        "<results>/logs/verify.log",
    conda:
        "../config/environment.yaml"
    resources:
        **job("tables", minutes=5),
    params:
        layouts={name: spec.layout for name, spec in settings.datasets.items()},
    script:
        "../workflow_scripts/verify.py"


# The ceiling of the generated benchmarks: `snakemake --cores all oracle` writes results/oracle.csv.
rule oracle:
    input:
        expand("<results>/truth/{dataset}.parquet", dataset=names.generated(settings)),
    output:
        "<results>/oracle.csv",
    log:
        "<results>/logs/oracle.log",
    conda:
        "../config/environment.yaml"
    resources:
        **job("tables", minutes=10),
    params:
        version=stages.STAGE_VERSIONS["benchmark"],
    script:
        "../workflow_scripts/oracle.py"
