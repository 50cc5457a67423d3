# Rank one's own images for a text, with ICL of the first benchmark and seed:
# `snakemake --cores all search --config 'search={query: "a man in a red jacket", gallery: path/to/folder}'`
SEARCHED = f"{next(iter(settings.tabled))}/rda"


rule search:
    input:
        model=f"{RESULTS}/retriever/{SEARCHED}/seed{settings.seeds[0]}/model.safetensors",
        adapter=paths.adapter_file(settings, "lora", settings.seeds[0]) if settings.search.thi else [],
        xi=f"{RESULTS}/thi/{SEARCHED}/lora/seed{settings.seeds[0]}/xi.json" if settings.search.thi else [],
        gallery=settings.search.gallery or [],
    output:
        f"{RESULTS}/search/index.html",
    log:
        f"{RESULTS}/logs/search.log",
    conda:
        "../config/environment.yaml"
    threads: 1
    resources:
        mem_mb=resources.memory(settings, "mllm"),
        runtime=60,
        gpu=resources.gpus(settings),
        gpu_model=resources.gpu_type(settings),
    params:
        search=to_mapping(settings.search),
        mllm=stages.mllm_part(settings, "thi"),
        thi=stages.interaction_part(settings),
        version=stages.STAGE_VERSIONS["report"],
    script:
        "../workflow_scripts/search.py"
