"""Write the tables and the provenance."""

from pathlib import Path

from _glue import job, settings_of

with job(snakemake):
    from icl.files import write_json
    from icl.report.tables import write_tables
    from icl.workflow.provenance import provenance

    settings = settings_of(snakemake)
    out = {name: Path(path) for name, path in snakemake.output.items()}
    write_json(out.pop("provenance"), provenance(settings))
    write_tables(settings, Path(settings.results), out)
