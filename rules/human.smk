# A person in the loop: what sessions draw from (`snakemake --cores all human_pack`), simulated people, and the table
# (`snakemake --cores all human`), from the journals in results/human/sessions.
PACKED = searching.searched(settings)


localrules:
    human_pack,
    human,


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
        version=stages.STAGE_VERSIONS["pack"],
    script:
        "../workflow_scripts/human_pack.py"


# They answer the queries of the people's sessions, or of sessions of their own where nobody took part yet.
rule simulate_people:
    input:
        pack=f"{RESULTS}/human/pack",
    output:
        directory(f"{RESULTS}/human/simulated"),
    log:
        f"{RESULTS}/logs/simulate_people.log",
    conda:
        "../config/environment.yaml"
    threads: 1
    resources:
        mem_mb=resources.memory(settings, "retriever"),
        runtime=60,
        gpu=0,
    params:
        codes=persons.simulated_codes(settings),
        version=stages.STAGE_VERSIONS["people"],
    script:
        "../workflow_scripts/simulate_people.py"


rule human_table:
    input:
        pack=f"{RESULTS}/human/pack",
        simulated=f"{RESULTS}/human/simulated",
        journals=persons.journals(settings),
    output:
        multiext(f"{RESULTS}/tables/human", ".csv", ".md", ".tex"),
        reported_table(RESULTS, "human"),
        table=f"{RESULTS}/human.csv",
    log:
        f"{RESULTS}/logs/human_table.log",
    conda:
        "../config/environment.yaml"
    threads: 1
    resources:
        mem_mb=resources.memory(settings, "retriever"),
        runtime=30,
        gpu=0,
    params:
        bootstrap=settings.bootstrap,
        version=stages.STAGE_VERSIONS["people"],
    script:
        "../workflow_scripts/human_table.py"


rule human:
    input:
        f"{RESULTS}/human.csv",
