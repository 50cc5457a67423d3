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
        "<results>/table.csv",
        "<results>/timing.csv",
        expand("<results>/figures/contact_sheet.png" if names.generated(settings) else []),
        TABLES,
        ALL_FIGURES,
        NOISE,


rule table:
    input:
        pairs=expand("<results>/pairs/{dataset}.parquet", dataset=settings.tabled),
        metrics=expand("<results>/{name}", name=rows.metric_files(settings)),
        reranked=expand("<results>/{folder}/metrics.json", folder=rows.reranked_folders(settings)),
        timings=expand("<results>/{name}", name=timed.timing_files(settings, "table")),
        chosen=expand("<results>/{folder}/chosen.json", folder=rows.reranked_folders(settings, *rows.CHOOSING)),
        selections=expand("<results>/{name}", name=rows.selection_files(settings)),
        judges=expand("<results>/{name}", name=rows.judge_files(settings)),
        fallbacks=expand("<results>/{name}", name=rows.fallback_files(settings)),
    output:
        table="<results>/table.csv",
        timing="<results>/timing.csv",
        summary="<results>/summary.csv",
        summary_text="<results>/summary.md",
        judge="<results>/judge.csv",
        cost="<results>/mllm_cost.csv",
        provenance="<results>/provenance.json",
    log:
        "<results>/logs/table.log",
    conda:
        "../config/environment.yaml"
    resources:
        **job("tables", minutes=5),
    params:
        table=stages.table_part(settings),
        version=stages.STAGE_VERSIONS["report"],
    script:
        "../workflow_scripts/table.py"


# One HTML file with all tables and figures: `snakemake --cores all report_page` writes results/report.html
rule report_page:
    input:
        tables=[path.replace(".md", ".csv") for path in TABLES]
        + expand("<results>/tables/{name}.csv", name=("ablation", "retrievers", "differences", "interaction", "time"))
        + ["<results>/judge.csv", "<results>/noise.csv"],
        figures=ALL_FIGURES + NOISE[1:],
        provenance="<results>/provenance.json",
    output:
        "<results>/report.html",
    log:
        "<results>/logs/report_page.log",
    conda:
        "../config/environment.yaml"
    resources:
        **job("tables", minutes=10),
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
        table="<results>/noise.csv",
        epochs="<results>/noise_epochs.csv",
        text="<results>/noise.md",
    log:
        "<results>/logs/noise.log",
    conda:
        "../config/environment.yaml"
    resources:
        **job("tables", minutes=5),
    params:
        methods=names.noise_methods(settings),
        version=stages.STAGE_VERSIONS["report"],
    script:
        "../workflow_scripts/noise.py"


# The MLLM's answers that this configuration's table stands on, to replay a table without any model: `snakemake --cores all export_answers`
rule export_answers:
    input:
        "<results>/table.csv",
    output:
        "<results>/answers.tar.gz",
    log:
        "<results>/logs/export_answers.log",
    conda:
        "../config/environment.yaml"
    resources:
        **job("tables", minutes=60),
    params:
        answers=answers.patterns(settings),
        version=stages.STAGE_VERSIONS["report"],
    script:
        "../workflow_scripts/export_answers.py"


# `snakemake --cores all estimate`: what the MLLM would be asked, and how long that takes; asks 80 questions itself.
rule estimate:
    input:
        pairs=expand("<results>/pairs/{dataset}.parquet", dataset=settings.tabled),
        weights=lambda w: or_stop(paths.mllm_weights, settings),
    output:
        "<results>/estimate.csv",
    log:
        "<results>/logs/estimate.log",
    conda:
        "../config/environment.yaml"
    threads: settings.threads
    resources:
        **job("mllm", minutes=60, gpus=1),
    params:
        settings=to_mapping(settings),
        roots=lambda w: [paths.image_root(settings, name) for name in settings.tabled],
        version=stages.STAGE_VERSIONS["report"],
    script:
        "../workflow_scripts/estimate.py"
