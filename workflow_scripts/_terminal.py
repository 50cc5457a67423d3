"""The run's terminal: named jobs in place of Snakemake's own lines; `--verbose` and `--printshellcmds` bring those back."""

import logging
import shlex
import sys
from pathlib import Path

from icl.report.closing import closing
from icl.workflow.terminal import Terminal


def open_terminal(workflow, results: str) -> Terminal:
    """Follow the log records of the main process; a dry run stays as Snakemake shows it."""

    def last_words() -> str:
        made = {str(path) for job in workflow.dag.jobs for path in job.output}
        return closing(Path(results), made, _options(sys.argv))

    asked, logger = workflow.output_settings, logging.getLogger("snakemake.logging")
    own = asked.verbose or asked.printshellcmds or asked.debug_dag
    silent = any(level.name == "ALL" for level in asked.quiet or ())
    streams = [handler for handler in logger.handlers if handler.name == "DefaultStreamHandler"]
    terminal = Terminal(sys.stderr, last_words, beside=own, silent=silent)
    if workflow.is_main_process and not asked.dryrun and streams:
        logger.addHandler(terminal)
        for stream in streams:
            stream.addFilter(lambda record: not terminal.hides(record))
    return terminal


def _options(words: list[str]) -> str:
    """The options of a command line that choose the configuration, as they were given."""
    kept, on = [], False
    for word in words[1:]:
        on = word.split("=")[0] in ("--configfile", "--configfiles", "--config", "-C") if word.startswith("-") else on
        kept += [shlex.quote(word)] if on else []
    return "".join(f" {word}" for word in kept)
