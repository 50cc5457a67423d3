"""What a run shows of its log records: jobs by name, an error last and alone, how to go on."""

import io
import json
import logging

import pytest

from icl.progress.state import INTERRUPTED, state_file
from icl.workflow.terminal import Terminal, job_name, reason

FINAL = "Exiting because a job execution failed. Look above for error messages"
DIED = "RuleException:\nCalledProcessError in file \"x.smk\", line 3:\nCommand 'set -e; python s.py' "


def record(text="", level=logging.INFO, **known):
    found = logging.LogRecord("snakemake.logging", level, "", 0, text, None, None)
    found.__dict__.update(known)
    return found


class Run:
    """A terminal that is sent records as Snakemake sends them."""

    def __init__(self, **more):
        self.out = io.StringIO()
        self.terminal = Terminal(self.out, lambda: "the table\nNext: make report", **more)
        self.send(event="workflow_started")
        self.send("Building DAG of jobs...")

    def send(self, text="", level=logging.INFO, **known):
        self.terminal.handle(record(text, level, **known))

    def plan(self, total=3):
        self.send("Job stats: ...", event="run_info", stats={"total": total})

    def job(self, number, rule, **wildcards):
        log = f"logs/{rule}.log"
        self.send(event="job_info", jobid=number, rule_name=rule, wildcards=wildcards, log=[log])
        return log

    def lines(self):
        return self.out.getvalue().splitlines()


@pytest.fixture(autouse=True)
def place(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


def fails_with(log, message):
    path = state_file(log)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps({"said": [], "error": message}))


def test_jobs_are_named_by_rule_benchmark_method_and_seed():
    assert job_name("train_retriever", {"dataset": "a", "method": "rda", "seed": "1"}) == "train_retriever a rda seed1"
    assert job_name("augment_shard", {"dataset": "a", "shard": "0", "shards": "8"}) == "augment_shard a shard0 of 8"
    assert job_name("table", {}) == "table"


def test_a_run_that_ends_well_ends_in_its_last_words():
    run = Run()
    run.plan(1)
    run.job(7, "embed", dataset="a", seed="1")
    run.send("Select jobs to execute...")
    run.send("Finished jobid: 7", event="job_finished", job_id=7)
    run.terminal.success()
    run.send("Complete log(s): x")
    assert run.lines()[1:] == ["[1/1] embed a seed1: 0 s", "Done in 0 s.", "the table", "Next: make report"]


def test_nothing_to_do_is_said_with_the_last_words():
    run = Run()
    run.send("Nothing to be done (all requested files are present and up to date).")
    assert run.lines()[-2:] == ["the table", "Next: make report"] and run.lines()[0].startswith("Nothing to be done")


def test_an_error_comes_last_and_alone():
    run = Run()
    run.plan()
    log = run.job(1, "embed", dataset="a", seed="1")
    run.job(2, "train", seed="1")
    fails_with(log, "model: found a torn file; expected a whole one. Delete it.")
    run.send(DIED + "returned non-zero exit status 1.", logging.ERROR, event="error")
    run.send("Error in rule embed, jobid: 1", logging.ERROR, event="job_error", jobid=1)
    run.send("Finished jobid: 2", event="job_finished", job_id=2)
    run.send(FINAL, logging.ERROR)
    run.terminal.failure()
    run.send("Complete log(s): x")
    run.send("WorkflowError:\nAt least one job did not complete successfully.", logging.ERROR, event="error")
    run.terminal.close()
    *_, before, empty, last = run.lines()
    assert last == f"ERROR in embed a seed1: model: found a torn file; expected a whole one. Delete it. (log: {log})"
    assert (before, empty) == ("1 of 3 jobs are done; the same command goes on from there.", "")
    assert run.out.getvalue().count("ERROR") == 1 and "RuleException" not in run.out.getvalue()


def test_all_jobs_that_failed_are_told():
    run = Run()
    run.plan()
    for number, rule in enumerate(("embed", "train")):
        fails_with(run.job(number, rule), f"{rule} stopped")
        run.send(level=logging.ERROR, event="job_error", jobid=number)
    run.terminal.failure()
    assert [line.split(":")[0] for line in run.lines() if "ERROR" in line] == ["ERROR in embed", "ERROR in train"]


@pytest.mark.parametrize(
    "said, told",
    [
        (DIED + "died with <Signals.SIGKILL: 9>.", "its process was ended by SIGKILL (often: not enough memory)"),
        (DIED + "returned non-zero exit status 3.", "its process ended with status 3 and no message"),
        (
            "MissingOutputException: 3 completed\n\n, but b.csv is missing",
            "MissingOutputException: 3 completed , but b.csv",
        ),
    ],
)
def test_a_job_that_could_not_say_why_is_told_by_what_snakemake_saw(said, told):
    run = Run()
    run.plan()
    run.job(1, "embed")
    run.send(said, logging.ERROR, event="error")
    run.send(level=logging.ERROR, event="job_error", jobid=1)
    run.terminal.failure()
    assert run.lines()[-1].startswith(f"ERROR in embed: {told}") and reason([]) == "it ended without a message"


def test_an_interrupted_run_says_how_to_go_on_and_blames_nobody():
    run = Run()
    run.plan()
    fails_with(run.job(1, "embed"), INTERRUPTED)
    run.job(2, "train")
    run.send("Terminating processes on user request, this might take some time.")
    run.send(level=logging.ERROR, event="job_error", jobid=1)
    run.send(DIED + "died with <Signals.SIGINT: 2>.", logging.ERROR, event="error")
    run.terminal.failure()
    assert run.lines()[-1] == "Interrupted: 0 of 3 jobs are done; the same command goes on from there."
    assert "ERROR" not in run.out.getvalue()


def test_what_ends_a_run_before_its_jobs_is_told_at_once():
    run = Run()
    run.send("MissingInputException in rule x", logging.ERROR, event="error")
    assert run.lines()[-1] == "MissingInputException in rule x"
    run.plan()
    run.send("MLLM server: found Connection error", logging.ERROR, event="error")
    assert run.lines()[-1] == "MLLM server: found Connection error"


def test_an_error_that_cuts_a_run_short_is_told_at_its_end():
    run = Run()
    run.plan()
    run.job(1, "embed")
    run.send("OSError: disk full", logging.ERROR, event="error")
    assert "disk full" not in run.out.getvalue(), "a job is running: it may be about this one"
    run.terminal.close()
    assert run.lines()[-1] == "OSError: disk full"


def test_snakemakes_own_lines_are_hidden_once_the_workflow_has_started():
    terminal = Terminal(io.StringIO(), str)
    assert not terminal.hides(record("Nothing of ours yet")) and terminal.hides(record(event="workflow_started"))
    terminal.handle(record(event="workflow_started"))
    assert terminal.hides(record("Select jobs to execute..."))


def test_beside_snakemakes_own_lines_nothing_is_told_twice():
    run = Run(beside=True)
    run.plan()
    run.send("a warning", logging.WARNING)
    run.send("an error", logging.ERROR)
    assert not run.terminal.hides(record("Select jobs")) and len(run.lines()) == 1


def test_a_silent_run_tells_errors_only():
    run = Run(silent=True)
    run.plan(1)
    fails_with(run.job(1, "embed"), "no such file")
    run.send("a warning", logging.WARNING)
    run.send(level=logging.ERROR, event="job_error", jobid=1)
    run.terminal.failure()
    assert run.lines()[-1].startswith("ERROR in embed: no such file") and "a warning" not in run.out.getvalue()
    quiet = Run(silent=True)
    quiet.plan(1)
    quiet.terminal.success()
    assert quiet.out.getvalue() == ""


def test_what_cannot_be_shown_does_not_end_the_run(monkeypatch, capsys):
    run = Run()
    run.plan()
    run.send(event="job_info", jobid=1)  # without the fields that a name is made of
    run.job(2, "embed")
    run.send(event="job_finished", job_id=2)
    assert run.lines()[-1].startswith("[1/3] embed") and "AttributeError" in capsys.readouterr().err
