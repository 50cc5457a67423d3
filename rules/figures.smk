# Figures: one column wide (or two), PDF and PNG. `snakemake --cores all figures`
FIRST = settings.seeds[0]


rule figures:
    input:
        FIGURES,
        expand(f"{R}/figures/{{dataset}}/noise.png", dataset=settings.tabled),


rule sweeps:
    input:
        pairs=f"{R}/pairs/{{dataset}}.parquet",
        model=lambda w: runs.retriever_weights(settings, w.dataset, w.method, w.seed),
        embeddings=f"{R}/embeddings/{{dataset}}/{{method}}/seed{{seed}}",
        adapter=lambda w: runs.adapter_file(settings, w.judge, w.seed),
        xi=f"{R}/thi/{{dataset}}/{{method}}/{{judge}}/seed{{seed}}/xi.json",
        record=f"{R}/thi/{{dataset}}/{{method}}/{{judge}}/seed{{seed}}/record.jsonl",
        weights=runs.local_weights(settings.mllm.model),
    output:
        f"{R}/thi/{{dataset}}/{{method}}/{{judge}}/seed{{seed}}/sweeps.json",
    log:
        f"{R}/logs/sweeps/{{dataset}}-{{method}}-{{judge}}-seed{{seed}}.log",
    conda:
        "../config/environment.yaml"
    threads: 1
    resources:
        mem_mb=resources.memory(settings, "mllm"),
        runtime=720,
        gpu=resources.gpus(settings),
        gpu_model=resources.gpu_type(settings),
    params:
        settings=runs.interaction_part(settings),
        mllm=runs.mllm_part(settings),
        answers=lambda w: f"{R}/answers/{w.dataset}-{w.method}-{w.judge}-seed{w.seed}-test",
        root=lambda w: runs.image_root(settings, w.dataset),
        version=runs.STAGE_VERSIONS["thi"],
    script:
        "../workflow_scripts/sweeps.py"


FIGURE_INPUTS = {
    "density": lambda d: [lines.shown(settings, d, "record.jsonl"), lines.shown(settings, d, "xi.json")],
    "sweeps": lambda d: [lines.shown(settings, d, "sweeps.json")],
    "rounds": lambda d: [lines.shown(settings, d, "sweeps.json")],
    "examples": lambda d: [lines.shown(settings, d, "record.jsonl"), f"{R}/pairs/{d}.parquet"],
    "ccd": lambda d: [f"{R}/retriever/{d}/rde/seed{FIRST}/ccd.parquet"],
    "noise": lambda d: [f"{R}/noise_epochs.csv"],
}


rule figure:
    input:
        lambda w: FIGURE_INPUTS[w.name](w.dataset),
    output:
        png=report(
            f"{R}/figures/{{dataset}}/{{name}}.png",
            caption="../report/figure.rst",
            category="Figures",
            labels={"benchmark": "{dataset}", "figure": "{name}"},
        ),
        pdf=f"{R}/figures/{{dataset}}/{{name}}.pdf",
    log:
        f"{R}/logs/figure/{{dataset}}-{{name}}.log",
    wildcard_constraints:
        name=runs.one_of(FIGURE_INPUTS),
    conda:
        "../config/environment.yaml"
    threads: 1
    resources:
        mem_mb=resources.memory(settings, "tables"),
        runtime=10,
        gpu=0,
    params:
        root=lambda w: runs.image_root(settings, w.dataset),
        version=runs.STAGE_VERSIONS["figures"],
    script:
        "../workflow_scripts/figure.py"


rule figure_calibration:
    input:
        f"{R}/lora/seed{FIRST}/evaluation.json",
    output:
        png=report(
            f"{R}/figures/calibration.png",
            caption="../report/calibration.rst",
            category="Figures",
            labels={"benchmark": "all", "figure": "calibration"},
        ),
        pdf=f"{R}/figures/calibration.pdf",
    log:
        f"{R}/logs/figure/calibration.log",
    conda:
        "../config/environment.yaml"
    threads: 1
    resources:
        mem_mb=resources.memory(settings, "tables"),
        runtime=10,
        gpu=0,
    params:
        version=runs.STAGE_VERSIONS["figures"],
    script:
        "../workflow_scripts/figure.py"


# The paper's tables, measured beside printed, each as CSV, Markdown and LaTeX: `snakemake --cores all tables`
rule tables:
    input:
        TABLES,


rule transfer_tables:
    input:
        expand(f"{R}/{{name}}", name=MOVED_FILES),
    output:
        multiext(f"{R}/tables/cross_domain", ".csv", ".tex"),
        multiext(f"{R}/tables/fine_coarse", ".csv", ".tex"),
        report(
            expand(f"{R}/tables/{{name}}.md", name=("cross_domain", "fine_coarse")),
            caption="../report/table.rst",
            category="Tables",
        ),
    log:
        f"{R}/logs/transfer_tables.log",
    conda:
        "../config/environment.yaml"
    threads: 1
    resources:
        mem_mb=resources.memory(settings, "tables"),
        runtime=10,
        gpu=0,
    params:
        settings=to_mapping(settings),
        version=runs.STAGE_VERSIONS["report"],
    script:
        "../workflow_scripts/transfer_tables.py"


rule paper_tables:
    input:
        table=f"{R}/table.csv",
        timing=f"{R}/timing.csv",
        summary=f"{R}/summary.csv",
    output:
        multiext(f"{R}/tables/main", ".csv", ".tex"),
        multiext(f"{R}/tables/ablation", ".csv", ".tex"),
        multiext(f"{R}/tables/retrievers", ".csv", ".tex"),
        multiext(f"{R}/tables/time", ".csv", ".tex"),
        multiext(f"{R}/tables/differences", ".csv", ".tex"),
        report(
            expand(f"{R}/tables/{{name}}.md", name=("main", "ablation", "retrievers", "time", "differences")),
            caption="../report/table.rst",
            category="Tables",
        ),
        index=f"{R}/README.md",
    log:
        f"{R}/logs/tables.log",
    conda:
        "../config/environment.yaml"
    threads: 1
    resources:
        mem_mb=resources.memory(settings, "tables"),
        runtime=10,
        gpu=0,
    params:
        settings=to_mapping(settings),
        version=runs.STAGE_VERSIONS["report"],
    script:
        "../workflow_scripts/paper_tables.py"
