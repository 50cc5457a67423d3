"""What the paper's configuration asks of a Slurm cluster, against the plan that the docs print."""

import re
from collections import defaultdict

from helpers import save_official_layout
from running import HOUSE, snakemake
from test_workflow import PAPER

GPUS = "jobs={gpus: 1, gpu_type: a100}"


def plan_of(dry_run: str) -> str:
    """Markdown: jobs of each rule with what one of them asks for, and the sum, from what a dry run prints."""
    jobs = defaultdict(list)
    for block in re.split(r"\n\[", dry_run)[1:]:
        if (rule := re.search(r"^(?:local)?rule (\w+):", block, re.M)) and "resources:" in block:
            asked = dict(re.findall(r"(\w+)=([^,\n]+)", block.split("resources:")[1].split("\n")[0]))
            if not asked["mem_mb"].isdigit():
                continue  # a target, which is no job
            threads = re.search(r"threads: (\d+)", block)
            need = (
                int(threads[1]) if threads else 1,
                int(asked["mem_mb"]),
                int(asked.get("gpu", 0)),
                int(asked["runtime"]),
            )
            jobs[rule[1]].append(need)
    lines = ["| rule | jobs | threads | memory (GB) | GPUs | at most (h) |", "|---|---|---|---|---|---|"]
    for rule, needs in sorted(jobs.items()):
        threads, memory, gpus, minutes = (max(need[k] for need in needs) for k in range(4))
        lines.append(f"| {rule} | {len(needs)} | {threads} | {memory / 1000:.0f} | {gpus} | {minutes / 60:.1f} |")
    every = [need for needs in jobs.values() for need in needs]
    gpu_jobs = sum(need[2] > 0 for need in every)
    lines.append(f"| all | {len(every)}, {gpu_jobs} with a GPU | | | | |")
    return "\n".join(lines)


def test_the_paper_run_asks_slurm_for_what_the_docs_say(tmp_path):
    for name, layout in PAPER.items():
        save_official_layout(layout, tmp_path / "data" / name)
    profile = ("--profile", str(HOUSE / "profiles/slurm"), "--configfile", str(HOUSE / "config/paper.yaml"))
    done = snakemake(tmp_path, "-n", "all", *profile, "--config", GPUS, "--cores", "64")
    plan = plan_of(done.stdout + done.stderr)
    assert plan in (HOUSE / "docs/cluster.md").read_text(), f"the plan is now:\n{plan}"
