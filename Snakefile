# ICL for text-to-image person re-identification: from a benchmark to results/table.csv.
# This file reads the configuration and includes one file a stage; `icl/` holds the logic, `workflow_scripts/` the glue.
import os
import sys
from functools import partial
from pathlib import Path

from snakemake.exceptions import WorkflowError
from snakemake.utils import min_version, validate

sys.path.insert(0, workflow.current_basedir.join("workflow_scripts").get_path_or_uri(secret_free=False))

from _kept import keep, put_back
from _reported import reported_table
from _running import alone, begin, end, refusal
from _stop import or_stop
from _terminal import open_terminal

from icl.apps.shipped import CHOSEN
from icl.fields import decisive, to_mapping
from icl.report.figures import FIGURES
from icl.rerank.ways import WAYS
from icl.workflow import answers, local, names, paths, persons, resources, rows, searching, stages, timed
from icl.workflow.config import load_settings

min_version("9.27")

HOME = Path(workflow.current_basedir.get_path_or_uri(secret_free=False))

if not workflow.overwrite_configfiles:  # --configfile stands instead of the default, it is not merged over it

    configfile: "config/config.yaml" if Path("config/config.yaml").exists() else str(HOME / "config/config.yaml")


settings = local.located(or_stop(load_settings, config), HOME)
config.update(to_mapping(settings))  # as the scripts read it
validate(to_mapping(settings), "config/schema.yaml", set_default=False)

if workflow.is_main_process:
    if sentence := refusal(settings.results):
        raise WorkflowError(sentence)
    alone(settings.results, put_back)  # what a killed run left half-done

terminal = open_terminal(workflow, settings.results)

RESULTS = settings.results
job = partial(resources.job, settings)
TRANSFERRED = names.transfer_names(settings)


pathvars:
    results=RESULTS,


report: "report/workflow.rst"


onstart:
    from icl.mllm.backends.registry import check_server

    if sentence := begin(settings.results):
        raise WorkflowError(sentence)
    or_stop(check_server, settings.mllm, settings.seeds)  # a server that is down is reported before any work
    keep(workflow.dag.needrun_jobs(), settings.results)


onsuccess:
    terminal.end()
    put_back(settings.results)
    end()
    terminal.success()


onerror:
    terminal.end()
    put_back(settings.results)
    end()
    terminal.failure()


wildcard_constraints:
    dataset="|".join(settings.datasets),
    method=f"{names.one_of([*names.TRAINED, *settings.retrievers, *TRANSFERRED])}|{names.NOISY_RETRIEVER.pattern}",
    judge="base|lora|none",
    way=names.one_of(WAYS),
    seed="|".join(map(str, settings.seeds)),
    shard=r"\d+",


localrules:
    default,


# What a call without a target makes; it has to stand here, as Snakemake takes no default target from an included file.
rule default:
    default_target: True
    input:
        f"{RESULTS}/table.csv",
        f"{RESULTS}/timing.csv",


include: "rules/report.smk"
include: "rules/data.smk"
include: "rules/retriever.smk"
include: "rules/sft.smk"
include: "rules/augment.smk"
include: "rules/evaluate.smk"
include: "rules/rerank.smk"
include: "rules/beyond.smk"
include: "rules/figures.smk"
include: "rules/search.smk"
include: "rules/human.smk"
include: "rules/pretrain.smk"
include: "rules/publish.smk"
