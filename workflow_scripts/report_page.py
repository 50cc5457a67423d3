"""Write the report: one HTML file with all tables and figures."""

import json
from pathlib import Path

from _glue import job, settings_of

with job(snakemake):
    from icl.report.overview import overview
    from icl.report.verified import incomparable, notes

    given, settings = snakemake.input, settings_of(snakemake)
    tables, figures = ([Path(path) for path in given[name]] for name in ("tables", "figures"))
    aside = notes(incomparable(settings, Path(settings.results), settings.tabled))
    page = overview(tables, figures, json.loads(Path(given.provenance).read_text()), aside)
    Path(snakemake.output[0]).write_text(page)
