# Beyond the paper: every way to re-rank with its cost, bounds, pairs of benchmarks. `snakemake --cores all beyond`
BEYOND_TABLES = ("beyond", "bounds")


localrules:
    beyond,


rule beyond:
    input:
        f"{RESULTS}/beyond.csv",
        expand(f"{RESULTS}/figures/{{dataset}}/{{name}}.png", dataset=settings.tabled, name=("frontier", "sizes")),


rule beyond_tables:
    input:
        plain=expand(f"{RESULTS}/{{name}}", name=rows.metric_files(settings)),
        reranked=expand(f"{RESULTS}/{{folder}}/metrics.json", folder=rows.beyond_folders(settings)),
        timings=expand(f"{RESULTS}/{{folder}}/timing.json", folder=rows.beyond_folders(settings)),
        captions=expand(f"{RESULTS}/captions/{{dataset}}/test/cost.json", dataset=settings.tabled),
        pairs=expand(f"{RESULTS}/{{name}}", name=rows.transfer_files(settings, rows.TRANSFERRED_BEYOND)),
        bounds=expand(f"{RESULTS}/bounds/{{dataset}}/seed{{seed}}.csv", dataset=settings.tabled, seed=settings.seeds),
    output:
        multiext(f"{RESULTS}/tables/beyond", ".csv", ".md", ".tex"),
        multiext(f"{RESULTS}/tables/bounds", ".csv", ".md", ".tex"),
        [reported_table(RESULTS, name) for name in BEYOND_TABLES],
        table=f"{RESULTS}/beyond.csv",
        transfers=f"{RESULTS}/beyond_transfers.csv",
    log:
        f"{RESULTS}/logs/beyond_tables.log",
    conda:
        "../config/environment.yaml"
    threads: 1
    resources:
        mem_mb=resources.memory(settings, "tables"),
        runtime=10,
        gpu=0,
    params:
        bootstrap=settings.bootstrap,
        version=stages.STAGE_VERSIONS["report"],
    script:
        "../workflow_scripts/beyond.py"


rule bounds:
    input:
        pairs=f"{RESULTS}/pairs/{{dataset}}.parquet",
        embeddings=f"{RESULTS}/embeddings/{{dataset}}/rda/seed{{seed}}",
        chosen=lambda w: paths.flat(
            paths.chosen_by_way(settings, ("anchors", "evidence"), w.dataset, "rda", "lora", w.seed)
        ),
    output:
        f"{RESULTS}/bounds/{{dataset}}/seed{{seed}}.csv",
    log:
        f"{RESULTS}/logs/bounds/{{dataset}}-seed{{seed}}.log",
    conda:
        "../config/environment.yaml"
    threads: 1
    resources:
        mem_mb=resources.memory(settings, "scores"),
        runtime=30,
        gpu=0,
    params:
        settings=[stages.way_part(settings, way) for way in ("anchors", "yes", "evidence")],
        root=lambda w: paths.image_root(settings, w.dataset),
        version=stages.STAGE_VERSIONS["rerank"],
    script:
        "../workflow_scripts/bounds.py"


rule gallery_sizes:
    input:
        pairs=f"{RESULTS}/pairs/{{dataset}}.parquet",
        model=lambda w: paths.retriever_weights(settings, w.dataset, "rda", w.seed),
        embeddings=f"{RESULTS}/embeddings/{{dataset}}/rda/seed{{seed}}",
        adapter=lambda w: paths.adapter_file(settings, "lora", w.seed),
        chosen=lambda w: paths.flat(paths.chosen_by_way(settings, rows.SIZED, w.dataset, "rda", "lora", w.seed)),
        captions=lambda w: paths.captions_file(settings, "captionsevidence", w.dataset, "test"),
        weights=lambda w: or_stop(paths.mllm_weights, settings),
    output:
        f"{RESULTS}/sizes/{{dataset}}/seed{{seed}}.csv",
    log:
        f"{RESULTS}/logs/gallery_sizes/{{dataset}}-seed{{seed}}.log",
    conda:
        "../config/environment.yaml"
    threads: 1
    resources:
        mem_mb=resources.memory(settings, "mllm"),
        runtime=720,
        gpu=resources.gpus(settings),
        gpu_model=resources.gpu_type(settings),
    params:
        settings=[stages.way_part(settings, way) for way in rows.SIZED],
        mllm=stages.mllm_part(settings, "thi"),
        chosen=lambda w: paths.chosen_by_way(settings, rows.SIZED, w.dataset, "rda", "lora", w.seed),
        answers=lambda w: f"{RESULTS}/answers/{w.dataset}-rda-lora-seed{w.seed}-test",
        root=lambda w: paths.image_root(settings, w.dataset),
        version=stages.STAGE_VERSIONS["rerank"],
    script:
        "../workflow_scripts/gallery_sizes.py"
