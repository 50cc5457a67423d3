"""What a run shows: bars on a terminal, few lines in a pipe, the table at the end; an error last and alone."""

import os
import re
import subprocess

import pytest
from running import SMOKE, command, in_terminal, snakemake
from screen import Screen

from icl.workflow.methods import DEFAULT_METHODS

pytestmark = pytest.mark.slow
MOST_LINES = 60
BAR = r"[ \u2588-\u258f]{12} (?P<name>[a-z_]+( [\w-]+)*): (?P<words>.+)"
JOB = r"\[ *\d+/\d+\] [a-z_]+( [\w-]+)*: .+"


def shown_well(lines):
    """The last lines of a run that made the table: a row a method, where the files are, what is next."""
    head, rule, *rows, files, after = [line for line in lines if line.strip()][-len(DEFAULT_METHODS) - 4 :]
    assert head.split()[:3] == ["method", "Rank-1", "mAP"] and set(rule) == {"-", " "}
    assert [re.split("  +", row)[0] for row in rows] == list(DEFAULT_METHODS)
    assert all(f"results/smoke/{name}" in files for name in ("table.csv", "timing.csv", "summary.md"))
    assert re.match("Next: snakemake --cores all tables figures .*--configfile .*smoke.yaml", after)


def test_a_pipe_gets_few_lines_and_the_table_last(smoke):
    lines = (smoke / "pipe.txt").read_text().splitlines()
    assert len(lines) <= MOST_LINES, len(lines)
    shown_well(lines)
    assert not any("ETA" in line or line.startswith("MLLM") for line in lines)


def test_a_whole_run_writes_a_line_a_job_and_no_more_than_allowed(whole):
    """A pipe gets the lines that stay on a terminal, and at most ten standings in the minutes of a default run."""
    lines = Screen((whole / "terminal.txt").read_bytes().decode()).text()
    jobs = [line for line in lines if re.fullmatch(JOB, line)]
    listed = int(re.search(r"(\d+) jobs to run", "\n".join(lines))[1])
    assert len(jobs) == listed and len({job.split("] ")[1].split(":")[0] for job in jobs}) == listed, "each has a name"
    assert len(lines) + 10 <= MOST_LINES
    shown_well(lines)
    trained = [job for job in jobs if "train_retriever" in job]
    assert all(re.search(r"after epoch 2: loss [\d.]+, val Rank-1 [\d.]+, mAP [\d.]+$", job) for job in trained), jobs


def test_a_terminal_shows_a_named_bar_a_job_and_garbles_none(whole):
    frames = Screen((whole / "terminal.txt").read_bytes().decode()).frames
    named, together, left = set(), 0, 0
    for frame in frames:
        bars = [found for line in frame if (found := re.fullmatch(BAR, line))]
        heads = [line for line in frame if re.fullmatch(r"\d+ of \d+ jobs done, .+", line)]
        stay = [line for line in frame if re.fullmatch(JOB, line) or re.match(r"Using|Assuming|\d+ jobs to run", line)]
        assert len(bars) + len(heads) + len(stay) == len(frame) and len(heads) <= 1, "\n".join(frame)
        named |= {bar["name"] for bar in bars}
        together += len({bar["name"] for bar in bars}) >= 2
        left += any("epoch 2/2" in bar["words"] and " left" in bar["words"] for bar in bars)
    assert {
        "train_retriever tinypedes rde seed1",
        "train_retriever tinypedes rda seed1",
        "finetune_lora seed1",
    } <= named
    assert together and left, "two jobs side by side, and a training's time left"


def test_a_second_call_has_nothing_to_do_and_shows_the_table_again(whole):
    done = snakemake(whole, "results/smoke/table.csv", *SMOKE)
    lines = done.stderr.splitlines()
    assert done.returncode == 0 and any("Nothing to be done" in line for line in lines)
    shown_well(lines)


def test_a_failure_ends_in_its_error_alone(smoke):
    path = smoke / "results/smoke/retriever/tinypedes/rda/seed1/model.safetensors"
    whole, times = path.read_bytes(), path.stat()
    path.write_bytes(whole[:5000])
    call = command(smoke, "results/smoke/embeddings/tinypedes/rda/seed1", "-R", "embed", *SMOKE)
    done = subprocess.run(call, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=300)
    path.write_bytes(whole)
    os.utime(path, ns=(times.st_atime_ns, times.st_mtime_ns))
    *before, last = [line for line in done.stdout.splitlines() if line.strip()]
    assert done.returncode != 0 and last.startswith("ERROR in embed tinypedes rda seed1: ")
    assert "model.safetensors: found an unreadable retriever" in last and last.endswith("tinypedes-rda-seed1.log)")
    assert not any(re.search("Error|Exception|ERROR", line) for line in before), before
    assert before[-1].endswith("the same command goes on from there.")


def test_ctrl_c_says_how_to_go_on(tmp_path):
    typed = []

    def seen(text):
        if "train_retriever tinypedes rde seed1: epoch" in text and not typed:
            typed.append("\x03")
            return "\x03"
        return ""

    call = command(tmp_path, "results/smoke/retriever/tinypedes/rde/seed1/model.safetensors", *SMOKE)
    shown, status = in_terminal(call, seen)
    lines = Screen(shown).text()
    assert status != 0 and lines[-1] == "Interrupted: 2 of 3 jobs are done; the same command goes on from there."
    assert "ERROR" not in shown and "Traceback" not in shown
