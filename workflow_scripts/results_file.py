"""Write this run's results as one file, and the leaderboard that holds them alone."""

from pathlib import Path

from _glue import job, settings_of

with job(snakemake):
    from icl.files import write_json
    from icl.publish.leaderboard import main
    from icl.publish.results_file import results_file

    settings = settings_of(snakemake)
    write_json(snakemake.output.file, results_file(settings, Path(settings.results), "this run"))
    main([Path(snakemake.output.file)], Path(snakemake.output.page))
