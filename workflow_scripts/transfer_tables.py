"""Tables 3 and 4: retrievers tested on other benchmarks than their own."""

from pathlib import Path

from _glue import job, settings_of

with job(snakemake):
    from icl.report.paper_tables import write_table
    from icl.report.transfer_tables import transfer_table
    from icl.report.verified import incomparable, notes

    settings = settings_of(snakemake)
    results = Path(settings.results)
    aside = notes(incomparable(settings, results, settings.datasets))
    titles = {"cross_domain": "Table 3: other domains", "fine_coarse": "Table 4: fine and coarse captions"}
    for name, title in titles.items():
        sheet = transfer_table(settings, results, fine=name == "fine_coarse")
        write_table(sheet, results / "tables" / name, title, aside)
