# A person in the loop: what sessions draw from (`snakemake --cores all human_pack`), simulated people, and the table
# (`snakemake --cores all human`), from the journals in results/human/sessions.
PACKED = searching.searched(settings)


localrules:
    human_pack,


rule human_pack:
    input:
        f"{RESULTS}/human/pack",


rule make_pack:
    input:
        pairs=f"{RESULTS}/pairs/{PACKED}.parquet",
        truth=persons.truth_file(settings),
        model=lambda w: or_stop(persons.models, settings).model,
        adapter=lambda w: or_stop(persons.models, settings).adapter,
        chosen=lambda w: or_stop(persons.models, settings).chosen,
        weights=lambda w: or_stop(paths.mllm_weights, settings),
    output:
        directory(f"{RESULTS}/human/pack"),
    log:
        f"{RESULTS}/logs/make_pack.log",
    conda:
        "../config/environment.yaml"
    threads: settings.threads
    resources:
        mem_mb=resources.memory(settings, "mllm"),
        runtime=720,
        gpu=resources.gpus(settings),
        gpu_model=resources.gpu_type(settings),
    params:
        settings=persons.pack_part(settings),
        mllm=stages.mllm_part(settings, "thi"),
        answers=lambda w: or_stop(persons.answers_folder, settings),
        root=paths.image_root(settings, PACKED),
        version=stages.STAGE_VERSIONS["human"],
    script:
        "../workflow_scripts/human_pack.py"
