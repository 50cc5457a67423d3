# Index and rank one's own images for a text, with ICL of the first benchmark and seed, shipped or trained here (search.models):
# `snakemake --cores all index --config 'search={gallery: path/to/folder}'`
# `snakemake --cores all search --config 'search={query: "a man in a red jacket", gallery: path/to/folder}'`
SEARCHED = f"{searching.searched(settings)}/rda"


DESCRIBED = settings.search.way != "none" and WAYS[settings.search.way].described


# Encode a folder's images once, and let the MLLM describe them where search.way asks for that. What is known of pictures is
# kept by their content beside the output, so that this rule does only what is new; without search.gallery, of the embedded
# benchmark's test images.
rule index:
    input:
        model=lambda w: or_stop(searching.models, settings, searching.folder_of()).model,
        images=lambda w: or_stop(searching.gallery_files, settings),
    output:
        f"{RESULTS}/index/index.json",
    log:
        f"{RESULTS}/logs/index.log",
    conda:
        "../config/environment.yaml"
    threads: settings.threads
    resources:
        mem_mb=resources.memory(settings, "mllm" if DESCRIBED else "retriever"),
        runtime=1440,
        gpu=resources.gpus(settings),
        gpu_model=resources.gpu_type(settings),
    params:
        files=lambda w: searching.gallery_state(settings),
        gallery=settings.search.gallery,
        describe=stages.mllm_part(settings, "describe") if DESCRIBED else {},
        answers=f"{RESULTS}/answers/search",
        version=stages.STAGE_VERSIONS["index"],
    script:
        "../workflow_scripts/index.py"


rule search:
    input:
        asked=lambda w: or_stop(searching.asked, settings),
        index=f"{RESULTS}/index/index.json",
        model=lambda w: or_stop(searching.models, settings, searching.folder_of()).model,
        adapter=lambda w: or_stop(searching.models, settings, searching.folder_of()).adapter,
        chosen=lambda w: or_stop(searching.models, settings, searching.folder_of()).chosen,
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
        settings=stages.way_part(settings, settings.search.way) if settings.search.way != "none" else {},
        version=stages.STAGE_VERSIONS["report"],
    script:
        "../workflow_scripts/search.py"


# What models/synthpedes-icl holds, from this run: `snakemake --cores all release`, then copy the folder there.
rule release:
    input:
        retriever=f"{RESULTS}/retriever/{SEARCHED}/seed{settings.seeds[0]}/model.safetensors",
        adapter=f"{RESULTS}/lora/seed{settings.seeds[0]}/adapter/adapter_model.safetensors",
        chosen=[
            paths.chosen_files(settings, way, searching.searched(settings), "rda", "lora", settings.seeds[0])[-1]
            for way in CHOSEN
        ],
        plain=f"{RESULTS}/metrics/{SEARCHED}/seed{settings.seeds[0]}/test.json",
        merged=expand(
            f"{RESULTS}/{{way}}/{SEARCHED}/lora/seed{settings.seeds[0]}/metrics.json",
            way=("thi", "evidence", "captionsevidence"),
        ),
        judge=f"{RESULTS}/lora/seed{settings.seeds[0]}/evaluation.json",
    output:
        directory(f"{RESULTS}/release/{searching.searched(settings)}-icl"),
    log:
        f"{RESULTS}/logs/release.log",
    conda:
        "../config/environment.yaml"
    threads: 1
    resources:
        mem_mb=resources.memory(settings, "tables"),
        runtime=5,
        gpu=0,
    params:
        version=stages.STAGE_VERSIONS["report"],
    script:
        "../workflow_scripts/release.py"
