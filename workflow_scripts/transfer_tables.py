"""Tables 3 and 4: retrievers tested on other benchmarks than their own."""

from pathlib import Path

from _glue import job, settings_of

with job(snakemake):
    from icl.report.paper_tables import write_table
    from icl.report.titles import TABLES
    from icl.report.transfer_tables import transfer_table
    from icl.report.verified import incomparable, notes

    settings = settings_of(snakemake)
    results = Path(settings.results)
    aside = notes(incomparable(settings, results, settings.datasets))
    for name in ("cross_domain", "fine_coarse"):
        sheet = transfer_table(settings, results, fine=name == "fine_coarse")
        write_table(sheet, results / "tables" / name, TABLES[name], aside)
