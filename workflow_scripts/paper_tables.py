"""The paper's tables, and an index of the results folder."""

from pathlib import Path

from _glue import job, settings_of

with job(snakemake):
    from icl.report import paper_tables as paper
    from icl.report.index import INDEX
    from icl.report.interaction import interaction_table
    from icl.report.titles import TABLES
    from icl.report.verified import incomparable, notes

    settings = settings_of(snakemake)
    results = Path(settings.results)
    table, timing, summary = (paper.read_table(snakemake.input[name]) for name in ("table", "timing", "summary"))
    sheets = {
        "main": paper.main_table(summary, table),
        "ablation": paper.ablation_table(summary),
        "retrievers": paper.retriever_table(summary, settings),
        "time": paper.time_table(timing),
        "differences": paper.difference_table(settings, results),
        "interaction": interaction_table(settings, results),
    }
    aside = notes(incomparable(settings, results, settings.tabled))
    for name, sheet in sheets.items():
        compared = name in ("main", "ablation", "time")
        paper.write_table(sheet, results / "tables" / name, TABLES[name], aside if compared else ())
    Path(snakemake.output.index).write_text(INDEX)
