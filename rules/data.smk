# Benchmarks: write the embedded ones, read any layout into one table of pairs.


rule benchmark:
    output:
        images=directory(f"{RESULTS}/benchmarks/{{dataset}}/imgs"),
        annotations=f"{RESULTS}/benchmarks/{{dataset}}/reid_raw.json",
        truth=f"{RESULTS}/truth/{{dataset}}.parquet",
    log:
        f"{RESULTS}/logs/benchmark/{{dataset}}.log",
    benchmark:
        f"{RESULTS}/benchmarks_time/benchmark/{{dataset}}.tsv"
    conda:
        "../config/environment.yaml"
    threads: 1
    resources:
        mem_mb=resources.memory(settings, "tables"),
        runtime=10,
        gpu=0,
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
                f"{RESULTS}/logs/download/{dataset}.log",
            conda:
                "../config/environment.yaml"
            threads: 1
            resources:
                mem_mb=resources.memory(settings, "tables"),
                runtime=240,
                gpu=0,
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
        f"{RESULTS}/pairs/{{dataset}}.parquet",
    log:
        f"{RESULTS}/logs/pairs/{{dataset}}.log",
    conda:
        "../config/environment.yaml"
    threads: 1
    resources:
        mem_mb=resources.memory(settings, "tables"),
        runtime=10,
        gpu=0,
    params:
        layout=lambda w: settings.datasets[w.dataset].layout,
        root=lambda w: paths.benchmark_root(settings, w.dataset),
        version=stages.STAGE_VERSIONS["pairs"],
    script:
        "../workflow_scripts/pairs.py"


rule contact_sheet:
    input:
        expand(f"{RESULTS}/benchmarks/{{dataset}}/reid_raw.json", dataset=names.generated(settings)[:1]),
    output:
        f"{RESULTS}/figures/contact_sheet.png",
    log:
        f"{RESULTS}/logs/contact_sheet.log",
    conda:
        "../config/environment.yaml"
    threads: 1
    resources:
        mem_mb=resources.memory(settings, "tables"),
        runtime=5,
        gpu=0,
    script:
        "../workflow_scripts/contact_sheet.py"


rule verify_benchmark:
    input:
        lambda w: paths.generated_files(settings, w.dataset),
    output:
        f"{RESULTS}/verify/{{dataset}}.json",
    log:
        f"{RESULTS}/logs/verify/{{dataset}}.log",
    conda:
        "../config/environment.yaml"
    threads: 2
    resources:
        mem_mb=resources.memory(settings, "tables"),
        runtime=120,
        gpu=0,
    params:
        layout=lambda w: settings.datasets[w.dataset].layout,
        root=lambda w: paths.benchmark_root(settings, w.dataset),
        generated=lambda w: bool(settings.datasets[w.dataset].generator),
        state=lambda w: paths.annotation_state(settings, w.dataset),
    script:
        "../workflow_scripts/verify_benchmark.py"


rule verify:
    input:
        expand(f"{RESULTS}/verify/{{dataset}}.json", dataset=settings.datasets),
    output:
        f"{RESULTS}/verify.md",
    log:
        f"{RESULTS}/logs/verify.log",
    conda:
        "../config/environment.yaml"
    threads: 1
    resources:
        mem_mb=resources.memory(settings, "tables"),
        runtime=5,
        gpu=0,
    params:
        layouts={name: spec.layout for name, spec in settings.datasets.items()},
    script:
        "../workflow_scripts/verify.py"


# The ceiling of the generated benchmarks: `snakemake --cores all oracle` writes results/oracle.csv.
rule oracle:
    input:
        expand(f"{RESULTS}/truth/{{dataset}}.parquet", dataset=names.generated(settings)),
    output:
        f"{RESULTS}/oracle.csv",
    log:
        f"{RESULTS}/logs/oracle.log",
    conda:
        "../config/environment.yaml"
    threads: 1
    resources:
        mem_mb=resources.memory(settings, "tables"),
        runtime=10,
        gpu=0,
    params:
        version=stages.STAGE_VERSIONS["benchmark"],
    script:
        "../workflow_scripts/oracle.py"
