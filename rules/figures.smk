# Figures: one column wide (or two), PDF and PNG. `snakemake --cores all figures`


rule figures:
    input:
        ALL_FIGURES,
        NOISE[1:],


rule sweeps:
    input:
        pairs="<results>/pairs/{dataset}.parquet",
        model=lambda w: paths.retriever_weights(settings, w.dataset, w.method, w.seed),
        embeddings="<results>/embeddings/{dataset}/{method}/seed{seed}",
        adapter=lambda w: paths.adapter_file(settings, w.judge, w.seed),
        xi="<results>/thi/{dataset}/{method}/{judge}/seed{seed}/chosen.json",
        record="<results>/thi/{dataset}/{method}/{judge}/seed{seed}/record.jsonl",
        weights=lambda w: or_stop(paths.mllm_weights, settings),
    output:
        "<results>/thi/{dataset}/{method}/{judge}/seed{seed}/sweeps.json",
    log:
        "<results>/logs/sweeps/{dataset}-{method}-{judge}-seed{seed}.log",
    conda:
        "../config/environment.yaml"
    resources:
        **job("mllm", minutes=720, gpus=1),
    params:
        settings=stages.way_part(settings, "thi"),
        mllm=stages.mllm_part(settings, "thi"),
        answers=lambda w: f"{RESULTS}/answers/{w.dataset}-{w.method}-{w.judge}-seed{w.seed}-test",
        root=lambda w: paths.image_root(settings, w.dataset),
        version=stages.STAGE_VERSIONS["sweeps"],
    script:
        "../workflow_scripts/sweeps.py"


rule figure:
    input:
        lambda w: FIGURES[w.name].inputs(settings, w.dataset),
    output:
        png=report(
            "<results>/figures/{dataset}/{name}.png",
            caption="../report/figure.rst",
            category="Figures",
            labels=lambda w: {"figure": FIGURES[w.name].title, "benchmark": w.dataset},
        ),
        pdf="<results>/figures/{dataset}/{name}.pdf",
    log:
        "<results>/logs/figure/{dataset}-{name}.log",
    wildcard_constraints:
        name=names.one_of(name for name in FIGURES if name != "calibration"),
    conda:
        "../config/environment.yaml"
    resources:
        **job("tables", minutes=10),
    params:
        caption=lambda w: FIGURES[w.name].caption,
        root=lambda w: paths.image_root(settings, w.dataset),
        drawn=lambda w: bool(settings.datasets[w.dataset].generator),
        version=lambda w: stages.version_with("figures", FIGURES, w.name),
    script:
        "../workflow_scripts/figure.py"


rule figure_calibration:
    input:
        FIGURES["calibration"].inputs(settings, ""),
    output:
        png=report(
            "<results>/figures/calibration.png",
            caption="../report/figure.rst",
            category="Figures",
            labels={"figure": FIGURES["calibration"].title, "benchmark": "all"},
        ),
        pdf="<results>/figures/calibration.pdf",
    log:
        "<results>/logs/figure/calibration.log",
    conda:
        "../config/environment.yaml"
    resources:
        **job("tables", minutes=10),
    params:
        caption=FIGURES["calibration"].caption,
        version=stages.STAGE_VERSIONS["figures"],
    script:
        "../workflow_scripts/figure.py"


# The paper's tables, measured beside printed, each as CSV, HTML, Markdown and LaTeX: `snakemake --cores all tables`
rule tables:
    input:
        TABLES,


rule transfer_tables:
    input:
        expand("<results>/{name}", name=TRANSFER_FILES),
        expand("<results>/pairs/{dataset}.parquet", dataset=settings.datasets),
    output:
        multiext("<results>/tables/cross_domain", ".csv", ".md", ".tex"),
        multiext("<results>/tables/fine_coarse", ".csv", ".md", ".tex"),
        [reported_table(RESULTS, name) for name in ("cross_domain", "fine_coarse")],
    log:
        "<results>/logs/transfer_tables.log",
    conda:
        "../config/environment.yaml"
    resources:
        **job("tables", minutes=10),
    params:
        table=stages.table_part(settings),
        version=stages.STAGE_VERSIONS["report"],
    script:
        "../workflow_scripts/transfer_tables.py"


rule paper_tables:
    input:
        table="<results>/table.csv",
        timing="<results>/timing.csv",
        summary="<results>/summary.csv",
        records=expand("<results>/{folder}/record.jsonl", folder=rows.reranked_folders(settings, "thi")),
        pairs=expand("<results>/pairs/{dataset}.parquet", dataset=settings.tabled),
    output:
        multiext("<results>/tables/main", ".csv", ".md", ".tex"),
        multiext("<results>/tables/ablation", ".csv", ".md", ".tex"),
        multiext("<results>/tables/retrievers", ".csv", ".md", ".tex"),
        multiext("<results>/tables/time", ".csv", ".md", ".tex"),
        multiext("<results>/tables/differences", ".csv", ".md", ".tex"),
        multiext("<results>/tables/interaction", ".csv", ".md", ".tex"),
        [
            reported_table(RESULTS, name)
            for name in ("main", "ablation", "retrievers", "time", "differences", "interaction")
        ],
        index="<results>/README.md",
    log:
        "<results>/logs/tables.log",
    conda:
        "../config/environment.yaml"
    resources:
        **job("tables", minutes=10),
    params:
        table=stages.table_part(settings),
        version=stages.STAGE_VERSIONS["report"],
    script:
        "../workflow_scripts/paper_tables.py"
