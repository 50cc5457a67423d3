# Benchmarks: write the embedded ones, read any layout into one table of pairs.


rule benchmark:
    output:
        images=directory(f"{R}/benchmarks/{{dataset}}/imgs"),
        annotations=f"{R}/benchmarks/{{dataset}}/reid_raw.json",
        truth=f"{R}/truth/{{dataset}}.parquet",
    log:
        f"{R}/logs/benchmark/{{dataset}}.log",
    benchmark:
        f"{R}/benchmarks_time/benchmark/{{dataset}}.tsv"
    conda:
        "../config/environment.yaml"
    threads: 1
    resources:
        mem_mb=resources.memory(settings, "tables"),
        runtime=10,
        gpu=0,
    params:
        spec=lambda w: runs.benchmark_part(settings, w.dataset),
        version=runs.STAGE_VERSIONS["benchmark"],
    script:
        "../workflow_scripts/benchmark.py"


for dataset, spec in settings.datasets.items():
    if spec.download:

        rule:
            name:
                f"download_{dataset}"
            output:
                runs.annotation_files(settings, dataset),
            log:
                f"{R}/logs/download/{dataset}.log",
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
        lambda w: or_stop(runs.annotation_files, settings, w.dataset),
    output:
        f"{R}/pairs/{{dataset}}.parquet",
    log:
        f"{R}/logs/pairs/{{dataset}}.log",
    conda:
        "../config/environment.yaml"
    threads: 1
    resources:
        mem_mb=resources.memory(settings, "tables"),
        runtime=10,
        gpu=0,
    params:
        layout=lambda w: settings.datasets[w.dataset].layout,
        root=lambda w: runs.benchmark_root(settings, w.dataset),
        version=runs.STAGE_VERSIONS["pairs"],
    script:
        "../workflow_scripts/pairs.py"


rule contact_sheet:
    input:
        expand(f"{R}/benchmarks/{{dataset}}/reid_raw.json", dataset=runs.generated(settings)[:1]),
    output:
        f"{R}/figures/contact_sheet.png",
    log:
        f"{R}/logs/contact_sheet.log",
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
        lambda w: runs.generated_files(settings, w.dataset),
    output:
        f"{R}/verify/{{dataset}}.json",
    log:
        f"{R}/logs/verify/{{dataset}}.log",
    conda:
        "../config/environment.yaml"
    threads: 2
    resources:
        mem_mb=resources.memory(settings, "tables"),
        runtime=120,
        gpu=0,
    params:
        layout=lambda w: settings.datasets[w.dataset].layout,
        root=lambda w: runs.benchmark_root(settings, w.dataset),
        generated=lambda w: bool(settings.datasets[w.dataset].generator),
        state=lambda w: runs.annotation_state(settings, w.dataset),
    script:
        "../workflow_scripts/verify_benchmark.py"


rule verify:
    input:
        expand(f"{R}/verify/{{dataset}}.json", dataset=settings.datasets),
    output:
        f"{R}/verify.md",
    log:
        f"{R}/logs/verify.log",
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
