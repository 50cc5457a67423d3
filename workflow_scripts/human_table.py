"""The table of people's sessions, simulated ones among them."""

from pathlib import Path

from _glue import job

with job(snakemake):
    from icl.human.pack import Pack
    from icl.report.human import SHEET_NOTES, human_sheet, human_table
    from icl.report.paper_tables import write_table
    from icl.report.titles import TABLES

    given, out = snakemake.input, Path(snakemake.output.table)
    folders = [Path(given.simulated), *sorted({Path(path).parent for path in given.journals})]
    table = human_table(Pack.open(given.pack), folders, snakemake.params.bootstrap)
    table.to_csv(out, index=False, float_format="%.4f")
    write_table(human_sheet(table), out.parent / "tables" / "human", TABLES["human"], SHEET_NOTES)
