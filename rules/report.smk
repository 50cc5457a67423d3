# Named targets and the tables.
TRANSFER_FILES = rows.transfer_files(settings)
TABLES = [
    f"{RESULTS}/tables/{name}.md" for name in ("main", *(("cross_domain", "fine_coarse") if TRANSFER_FILES else ()))
]
ALL_FIGURES = expand(
    f"{RESULTS}/figures/{{dataset}}/{{name}}.png",
    dataset=settings.tabled,
    name=[name for name, figure in FIGURES.items() if figure.shown],
) + expand(f"{RESULTS}/figures/calibration.png" if rows.judge_files(settings) else [])
NOISE = [f"{RESULTS}/noise.md", *expand(f"{RESULTS}/figures/{{dataset}}/noise.png", dataset=settings.tabled)]


localrules:
    all,
    table,


rule all:
    input:
        f"{RESULTS}/table.csv",
        f"{RESULTS}/timing.csv",
        expand(f"{RESULTS}/figures/contact_sheet.png" if names.generated(settings) else []),
        TABLES,
        ALL_FIGURES,
        NOISE,


rule table:
    input:
        pairs=expand(f"{RESULTS}/pairs/{{dataset}}.parquet", dataset=settings.tabled),
        metrics=expand(f"{RESULTS}/{{name}}", name=rows.metric_files(settings)),
        reranked=expand(f"{RESULTS}/{{folder}}/metrics.json", folder=rows.reranked_folders(settings)),
        timings=expand(f"{RESULTS}/{{folder}}/timing.json", folder=rows.reranked_folders(settings)),
        chosen=expand(f"{RESULTS}/{{folder}}/chosen.json", folder=rows.reranked_folders(settings, *rows.CHOOSING)),
        selections=expand(f"{RESULTS}/{{name}}", name=rows.selection_files(settings)),
        judges=expand(f"{RESULTS}/{{name}}", name=rows.judge_files(settings)),
        fallbacks=expand(f"{RESULTS}/{{name}}", name=rows.fallback_files(settings)),
    output:
        table=f"{RESULTS}/table.csv",
        timing=f"{RESULTS}/timing.csv",
        summary=f"{RESULTS}/summary.csv",
        summary_text=f"{RESULTS}/summary.md",
        judge=f"{RESULTS}/judge.csv",
        cost=f"{RESULTS}/mllm_cost.csv",
        provenance=f"{RESULTS}/provenance.json",
    log:
        f"{RESULTS}/logs/table.log",
    conda:
        "../config/environment.yaml"
    threads: 1
    resources:
        mem_mb=resources.memory(settings, "tables"),
        runtime=5,
        gpu=0,
    params:
        table=stages.table_part(settings),
        version=stages.STAGE_VERSIONS["report"],
    script:
        "../workflow_scripts/table.py"


# One HTML file with all tables and figures: `snakemake --cores all report_page` writes results/report.html
rule report_page:
    input:
        tables=[path.replace(".md", ".csv") for path in TABLES]
        + expand(
            f"{RESULTS}/tables/{{name}}.csv", name=("ablation", "retrievers", "differences", "interaction", "time")
        )
        + [f"{RESULTS}/judge.csv", f"{RESULTS}/noise.csv"],
        figures=ALL_FIGURES + NOISE[1:],
        provenance=f"{RESULTS}/provenance.json",
    output:
        f"{RESULTS}/report.html",
    log:
        f"{RESULTS}/logs/report_page.log",
    conda:
        "../config/environment.yaml"
    threads: 1
    resources:
        mem_mb=resources.memory(settings, "tables"),
        runtime=10,
        gpu=0,
    params:
        table=stages.table_part(settings),
        version=stages.STAGE_VERSIONS["report"],
    script:
        "../workflow_scripts/report_page.py"


rule noise:
    input:
        histories=paths.noise_files(settings, "retriever/{retriever}/history.csv"),
        metrics=paths.noise_files(settings, "metrics/{retriever}/test.json"),
        embeddings=paths.noise_files(settings, "embeddings/{retriever}"),
    output:
        table=f"{RESULTS}/noise.csv",
        epochs=f"{RESULTS}/noise_epochs.csv",
        text=f"{RESULTS}/noise.md",
    log:
        f"{RESULTS}/logs/noise.log",
    conda:
        "../config/environment.yaml"
    threads: 1
    resources:
        mem_mb=resources.memory(settings, "tables"),
        runtime=5,
        gpu=0,
    params:
        methods=names.noise_methods(settings),
        version=stages.STAGE_VERSIONS["report"],
    script:
        "../workflow_scripts/noise.py"


# The MLLM's answers that this configuration's table stands on, to replay a table without any model: `snakemake --cores all export_answers`
rule export_answers:
    input:
        f"{RESULTS}/table.csv",
    output:
        f"{RESULTS}/answers.tar.gz",
    log:
        f"{RESULTS}/logs/export_answers.log",
    conda:
        "../config/environment.yaml"
    threads: 1
    resources:
        mem_mb=resources.memory(settings, "tables"),
        runtime=60,
        gpu=0,
    params:
        answers=answers.patterns(settings),
        version=stages.STAGE_VERSIONS["report"],
    script:
        "../workflow_scripts/export_answers.py"


# `snakemake --cores all estimate`: what the MLLM would be asked, and how long that takes; asks 80 questions itself.
rule estimate:
    input:
        pairs=expand(f"{RESULTS}/pairs/{{dataset}}.parquet", dataset=settings.tabled),
        weights=lambda w: or_stop(paths.mllm_weights, settings),
    output:
        f"{RESULTS}/estimate.csv",
    log:
        f"{RESULTS}/logs/estimate.log",
    conda:
        "../config/environment.yaml"
    threads: settings.threads
    resources:
        mem_mb=resources.memory(settings, "mllm"),
        runtime=60,
        gpu=resources.gpus(settings),
        gpu_model=resources.gpu_type(settings),
    params:
        settings=to_mapping(settings),
        roots=lambda w: [paths.image_root(settings, name) for name in settings.tabled],
        version=stages.STAGE_VERSIONS["report"],
    script:
        "../workflow_scripts/estimate.py"
