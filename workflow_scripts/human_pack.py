"""What sessions with people draw from: the test split as the retriever and the MLLM see it."""

from pathlib import Path

from _glue import job, settings_of

with job(snakemake):
    from icl.apps.shipped import read_chosen
    from icl.data.pairs import read_pairs, split_of
    from icl.human.making import make_pack, open_split
    from icl.mllm.backends.registry import adapter_of
    from icl.workflow import persons, searching

    given, settings, out = snakemake.input, settings_of(snakemake), Path(snakemake.output[0])
    rows, retriever = split_of(read_pairs(Path(given.pairs)), "test"), Path(given.model).parent
    adapter = adapter_of("lora", given.adapter)
    split, length = open_split(rows, Path(snakemake.params.root), retriever, settings.mllm, settings.thi, adapter)
    make_pack(
        out,
        searching.searched(settings),
        split,
        rows,
        retriever,
        split.stored(Path(snakemake.params.answers), snakemake.rule),
        read_chosen("thi", [Path(path) for path in given.chosen])["xi"],
        settings.human,
        length,
        persons.models(settings).who,
        Path(given.truth[0]) if given.truth else None,
    )
