"""How Snakemake's own report shows the tables."""

from snakemake.io import report

from icl.report import titles


def reported_table(results: str, name: str):
    """A table of the results folder, with its title in place of its path."""
    label = {"table": titles.TABLES[name]}
    return report(f"{results}/tables/{name}.html", caption="../report/table.rst", category="Tables", labels=label)
