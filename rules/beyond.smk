# Beyond the paper: every way to re-rank with its cost, bounds, pairs of benchmarks. `snakemake --cores all beyond`
BEYOND_TABLES = ("beyond", "bounds")


localrules:
    beyond,


rule beyond:
    input:
        "<results>/beyond.csv",
        expand("<results>/figures/{dataset}/{name}.png", dataset=settings.tabled, name=("frontier", "sizes")),


rule beyond_tables:
    input:
        plain=expand("<results>/{name}", name=rows.metric_files(settings)),
        reranked=expand("<results>/{folder}/metrics.json", folder=rows.beyond_folders(settings)),
        timings=expand("<results>/{name}", name=timed.timing_files(settings, *timed.TABLES)),
        captions=expand("<results>/captions/{dataset}/test/cost.json", dataset=settings.tabled),
        pairs=expand("<results>/{name}", name=rows.transfer_files(settings, rows.TRANSFERRED_BEYOND)),
        bounds=expand("<results>/bounds/{dataset}/seed{seed}.csv", dataset=settings.tabled, seed=settings.seeds),
    output:
        multiext("<results>/tables/beyond", ".csv", ".md", ".tex"),
        multiext("<results>/tables/bounds", ".csv", ".md", ".tex"),
        [reported_table(RESULTS, name) for name in BEYOND_TABLES],
        table="<results>/beyond.csv",
        transfers="<results>/beyond_transfers.csv",
    log:
        "<results>/logs/beyond_tables.log",
    conda:
        "../config/environment.yaml"
    resources:
        **job("tables", minutes=10),
    params:
        bootstrap=settings.bootstrap,
        version=stages.STAGE_VERSIONS["report"],
    script:
        "../workflow_scripts/beyond.py"


rule bounds:
    input:
        pairs="<results>/pairs/{dataset}.parquet",
        embeddings="<results>/embeddings/{dataset}/rda/seed{seed}",
        chosen=lambda w: paths.flat(
            paths.chosen_by_way(settings, ("anchors", "evidence"), w.dataset, "rda", "lora", w.seed)
        ),
    output:
        "<results>/bounds/{dataset}/seed{seed}.csv",
    log:
        "<results>/logs/bounds/{dataset}-seed{seed}.log",
    conda:
        "../config/environment.yaml"
    resources:
        **job("scores", minutes=30),
    params:
        settings=[stages.way_part(settings, way) for way in ("anchors", "yes", "evidence")],
        root=lambda w: paths.image_root(settings, w.dataset),
        version=stages.STAGE_VERSIONS["rerank"],
    script:
        "../workflow_scripts/bounds.py"


rule gallery_sizes:
    input:
        pairs="<results>/pairs/{dataset}.parquet",
        model=lambda w: paths.retriever_weights(settings, w.dataset, "rda", w.seed),
        embeddings="<results>/embeddings/{dataset}/rda/seed{seed}",
        adapter=lambda w: paths.adapter_file(settings, "lora", w.seed),
        chosen=lambda w: paths.flat(paths.chosen_by_way(settings, rows.SIZED, w.dataset, "rda", "lora", w.seed)),
        captions=lambda w: paths.captions_file(settings, "captionsevidence", w.dataset, "test"),
        weights=lambda w: or_stop(paths.mllm_weights, settings),
    output:
        "<results>/sizes/{dataset}/seed{seed}.csv",
    log:
        "<results>/logs/gallery_sizes/{dataset}-seed{seed}.log",
    conda:
        "../config/environment.yaml"
    resources:
        **job("mllm", minutes=720, gpus=1),
    params:
        settings=[stages.way_part(settings, way) for way in rows.SIZED],
        mllm=stages.mllm_part(settings, "thi"),
        chosen=lambda w: paths.chosen_by_way(settings, rows.SIZED, w.dataset, "rda", "lora", w.seed),
        answers=lambda w: f"{RESULTS}/answers/{w.dataset}-rda-lora-seed{w.seed}-test",
        root=lambda w: paths.image_root(settings, w.dataset),
        version=stages.STAGE_VERSIONS["rerank"],
    script:
        "../workflow_scripts/gallery_sizes.py"
