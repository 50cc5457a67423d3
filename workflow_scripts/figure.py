"""Draw one figure from what the stages left."""

from pathlib import Path

from _glue import job

with job(snakemake):
    from icl.report.figures import FIGURES, Place
    from icl.report.style import save

    w = snakemake.wildcards
    params = snakemake.params
    place = Place(w.get("dataset", ""), Path(params.get("root", "")), params.get("drawn", False))
    figure = FIGURES[w.get("name", "calibration")].draw([Path(path) for path in snakemake.input], place)
    save(figure, Path(snakemake.output.png).with_suffix(""))
