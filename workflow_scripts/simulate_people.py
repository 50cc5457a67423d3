"""Sessions of people that are none: one journal a person and code."""

from pathlib import Path

from _glue import job

with job(snakemake):
    from icl.human.pack import Pack
    from icl.human.people import people_for, simulate
    from icl.progress import progress

    pack, out = Pack.open(snakemake.input.pack), Path(snakemake.output[0])
    encoder = pack.encoder()
    for person in people_for(pack):
        for code in progress(snakemake.params.codes, label=f"sessions of {person.name}"):
            simulate(person, pack, out / person.name, code, encoder)
