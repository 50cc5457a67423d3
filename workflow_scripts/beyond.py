"""Every way to re-rank with its cost, on each benchmark and on every pair of them."""

from pathlib import Path

from _glue import job, settings_of

with job(snakemake):
    from icl.report.beyond import beyond_sheet, beyond_table, beyond_transfers, bounds_sheet
    from icl.report.paper_tables import write_table
    from icl.report.titles import TABLES

    settings = settings_of(snakemake)
    results = Path(settings.results)
    table = beyond_table(settings, results)
    table.to_csv(snakemake.output.table, index=False, float_format="%.4f")
    beyond_transfers(settings, results).to_csv(snakemake.output.transfers, index=False, float_format="%.4f")
    write_table(beyond_sheet(table), results / "tables" / "beyond", TABLES["beyond"])
    write_table(bounds_sheet(snakemake.input.bounds), results / "tables" / "bounds", TABLES["bounds"])
