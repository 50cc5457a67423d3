"""Write the tables and the provenance."""

from pathlib import Path

from _glue import job

with job(snakemake):
    from icl.files import write_json
    from icl.report.tables import write_tables
    from icl.workflow.config import load_settings
    from icl.workflow.provenance import provenance

    settings = load_settings(snakemake.params.settings)
    out = {name: Path(path) for name, path in snakemake.output.items()}
    write_json(out.pop("provenance"), provenance(settings))
    write_tables(settings, Path(settings.results), out)
