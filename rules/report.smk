# Named targets and the tables.
MOVED_FILES = lines.transfer_files(settings)
TABLES = [f"{R}/tables/{name}.md" for name in ("main", *(("cross_domain", "fine_coarse") if MOVED_FILES else ()))]
FIGURES = expand(
    f"{R}/figures/{{dataset}}/{{name}}.png",
    dataset=settings.tabled,
    name=("density", "sweeps", "rounds", "examples", "ccd"),
) + expand(f"{R}/figures/calibration.png" if lines.judge_files(settings) else [])


localrules:
    all,
    table,


rule all:
    input:
        f"{R}/table.csv",
        f"{R}/timing.csv",
        expand(f"{R}/figures/contact_sheet.png" if runs.generated(settings) else []),
        TABLES,
        FIGURES,


rule table:
    input:
        metrics=expand(f"{R}/{{name}}", name=lines.metric_files(settings)),
        reranked=expand(f"{R}/{{folder}}/metrics.json", folder=lines.reranked_folders(settings)),
        timings=expand(f"{R}/{{folder}}/timing.json", folder=lines.reranked_folders(settings)),
        xis=expand(f"{R}/{{folder}}/xi.json", folder=lines.reranked_folders(settings, "thi")),
        selections=expand(f"{R}/{{name}}", name=lines.selection_files(settings)),
        judges=expand(f"{R}/{{name}}", name=lines.judge_files(settings)),
        fallbacks=expand(f"{R}/{{name}}", name=lines.fallback_files(settings)),
    output:
        table=f"{R}/table.csv",
        timing=f"{R}/timing.csv",
        summary=f"{R}/summary.csv",
        summary_text=f"{R}/summary.md",
        judge=f"{R}/judge.csv",
        cost=f"{R}/mllm_cost.csv",
        provenance=f"{R}/provenance.json",
    log:
        f"{R}/logs/table.log",
    conda:
        "../config/environment.yaml"
    threads: 1
    resources:
        mem_mb=resources.memory(settings, "tables"),
        runtime=5,
        gpu=0,
    params:
        settings=to_mapping(settings),
        version=runs.STAGE_VERSIONS["report"],
    script:
        "../workflow_scripts/table.py"


rule noise:
    input:
        histories=runs.noise_files(settings, "retriever/{retriever}/history.csv"),
        metrics=runs.noise_files(settings, "metrics/{retriever}/test.json"),
    output:
        table=f"{R}/noise.csv",
        epochs=f"{R}/noise_epochs.csv",
        text=f"{R}/noise.md",
    log:
        f"{R}/logs/noise.log",
    conda:
        "../config/environment.yaml"
    threads: 1
    resources:
        mem_mb=resources.memory(settings, "tables"),
        runtime=5,
        gpu=0,
    params:
        methods=runs.noise_methods(settings),
        version=runs.STAGE_VERSIONS["report"],
    script:
        "../workflow_scripts/noise.py"


# The MLLM's answers, to replay a table without any model: `snakemake --cores all export_answers`
rule export_answers:
    input:
        f"{R}/table.csv",
    output:
        f"{R}/answers.tar.gz",
    log:
        f"{R}/logs/export_answers.log",
    conda:
        "../config/environment.yaml"
    threads: 1
    resources:
        mem_mb=resources.memory(settings, "tables"),
        runtime=60,
        gpu=0,
    params:
        version=runs.STAGE_VERSIONS["report"],
    script:
        "../workflow_scripts/export_answers.py"


# `snakemake --cores all estimate`: what the MLLM would be asked, and how long that takes; asks 80 questions itself.
rule estimate:
    input:
        pairs=expand(f"{R}/pairs/{{dataset}}.parquet", dataset=settings.tabled),
        weights=runs.local_weights(settings.mllm.model),
    output:
        f"{R}/estimate.csv",
    log:
        f"{R}/logs/estimate.log",
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
        roots=lambda w: [runs.image_root(settings, name) for name in settings.tabled],
        version=runs.STAGE_VERSIONS["report"],
    script:
        "../workflow_scripts/estimate.py"
