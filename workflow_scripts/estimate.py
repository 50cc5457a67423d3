"""Tell what the MLLM will be asked, and how long that takes on this machine or server."""

from pathlib import Path

from _glue import job, say, settings_of

with job(snakemake):
    from icl.data.pairs import read_pairs, split_of
    from icl.mllm.backends.registry import open_backend
    from icl.report.estimate import estimate, expected_calls, probe

    settings = settings_of(snakemake)
    pairs = dict(zip(settings.tabled, (read_pairs(Path(p)) for p in snakemake.input.pairs), strict=True))
    first = split_of(next(iter(pairs.values())), "train")
    seconds = probe(open_backend(settings.mllm), first, Path(snakemake.params.roots[0]), settings)
    table = estimate(expected_calls(settings, pairs), seconds)
    table.to_csv(snakemake.output[0], index=False, float_format="%.5g")
    say(table.to_string(index=False, na_rep="", float_format="{:.4g}".format))
