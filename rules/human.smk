# A person in the loop: what sessions draw from (`snakemake --cores all human_pack`), simulated people, and the table
# (`snakemake --cores all human`), from the journals in results/human/sessions.
PACKED = searching.searched(settings)


localrules:
    human_pack,
    human,


rule human_pack:
    input:
        "<results>/human/pack",


rule make_pack:
    input:
        pairs=f"<results>/pairs/{PACKED}.parquet",
        truth=persons.truth_file(settings),
        model=lambda w: or_stop(persons.models, settings).model,
        adapter=lambda w: or_stop(persons.models, settings).adapter,
        chosen=lambda w: or_stop(persons.models, settings).chosen,
        weights=lambda w: or_stop(paths.mllm_weights, settings),
    output:
        directory("<results>/human/pack"),
    log:
        "<results>/logs/make_pack.log",
    conda:
        "../config/environment.yaml"
    threads: settings.threads
    resources:
        **job("mllm", minutes=720, gpus=1),
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
        pack="<results>/human/pack",
    output:
        directory("<results>/human/simulated"),
    log:
        "<results>/logs/simulate_people.log",
    conda:
        "../config/environment.yaml"
    resources:
        **job("retriever", minutes=60),
    params:
        codes=persons.simulated_codes(settings),
        version=stages.STAGE_VERSIONS["people"],
    script:
        "../workflow_scripts/simulate_people.py"


rule human_table:
    input:
        pack="<results>/human/pack",
        simulated="<results>/human/simulated",
        journals=persons.journals(settings),
    output:
        multiext("<results>/tables/human", ".csv", ".md", ".tex"),
        reported_table(RESULTS, "human"),
        table="<results>/human.csv",
    log:
        "<results>/logs/human_table.log",
    conda:
        "../config/environment.yaml"
    resources:
        **job("retriever", minutes=30),
    params:
        bootstrap=settings.bootstrap,
        version=stages.STAGE_VERSIONS["people"],
    script:
        "../workflow_scripts/human_table.py"


rule human:
    input:
        "<results>/human.csv",
