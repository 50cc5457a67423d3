# Rank one's own images for a text, with ICL of the first benchmark and seed, shipped or trained here (search.models):
# `snakemake --cores all search --config 'search={query: "a man in a red jacket", gallery: path/to/folder}'`
SEARCHED = f"{searching.searched(settings)}/rda"


rule search:
    input:
        model=lambda w: or_stop(searching.models, settings, searching.folder_of()).model,
        adapter=lambda w: or_stop(searching.models, settings, searching.folder_of()).adapter,
        chosen=lambda w: or_stop(searching.models, settings, searching.folder_of()).chosen,
        gallery=lambda w: or_stop(searching.asked, settings),
    output:
        "<results>/search/index.html",
    log:
        "<results>/logs/search.log",
    conda:
        "../config/environment.yaml"
    resources:
        **job("mllm", minutes=60, gpus=1),
    params:
        search=to_mapping(settings.search),
        mllm=stages.mllm_part(settings, "thi"),
        settings=stages.way_part(settings, settings.search.way) if settings.search.way != "none" else {},
        answers=f"{RESULTS}/answers/search",
        version=stages.STAGE_VERSIONS["report"],
    script:
        "../workflow_scripts/search.py"


# What models/synthpedes-icl holds, from this run: `snakemake --cores all release`, then copy the folder there.
rule release:
    input:
        retriever=f"<results>/retriever/{SEARCHED}/seed{settings.seeds[0]}/model.safetensors",
        adapter=f"<results>/lora/seed{settings.seeds[0]}/adapter/adapter_model.safetensors",
        chosen=[
            paths.chosen_files(settings, way, searching.searched(settings), "rda", "lora", settings.seeds[0])[-1]
            for way in CHOSEN
        ],
        plain=f"<results>/metrics/{SEARCHED}/seed{settings.seeds[0]}/test.json",
        merged=expand(
            f"<results>/{{way}}/{SEARCHED}/lora/seed{settings.seeds[0]}/metrics.json",
            way=("thi", "evidence", "captionsevidence"),
        ),
        judge=f"<results>/lora/seed{settings.seeds[0]}/evaluation.json",
    output:
        directory(f"<results>/release/{searching.searched(settings)}-icl"),
    log:
        "<results>/logs/release.log",
    conda:
        "../config/environment.yaml"
    resources:
        **job("tables", minutes=5),
    params:
        version=stages.STAGE_VERSIONS["report"],
    script:
        "../workflow_scripts/release.py"
