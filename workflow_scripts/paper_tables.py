"""The paper's tables, and an index of the results folder."""

from pathlib import Path

from _glue import job, settings_of

with job(snakemake):
    from icl.report import paper_tables as paper
    from icl.report.index import INDEX
    from icl.report.verified import incomparable, notes

    settings = settings_of(snakemake)
    results = Path(settings.results)
    table, timing, summary = (paper.read_table(snakemake.input[name]) for name in ("table", "timing", "summary"))
    sheets = {
        "main": (paper.main_table(summary, table), "Tables 1 and 2: text-to-image retrieval"),
        "ablation": (paper.ablation_table(summary), "Table 6: RDA, THI and LoRA"),
        "retrievers": (paper.retriever_table(summary, settings), "Table 5: THI on several retrievers"),
        "time": (paper.time_table(timing), "Supplementary Table 1: seconds per query"),
        "differences": (
            paper.difference_table(settings, results),
            "Differences between rows on the same queries (95% interval; p by randomisation)",
        ),
    }
    aside = notes(incomparable(settings, results, settings.tabled))
    for name, (sheet, title) in sheets.items():
        compared = name in ("main", "ablation", "time")
        paper.write_table(sheet, results / "tables" / name, title, aside if compared else ())
    Path(snakemake.output.index).write_text(INDEX)
