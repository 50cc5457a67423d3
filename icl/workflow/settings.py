"""Typed settings: every configuration key, its default at embedded scale, and where the value comes from."""

from __future__ import annotations

from dataclasses import dataclass, field

from icl.apps.settings import SearchSettings
from icl.data.settings import DatasetSettings
from icl.fields import SEED_LIMIT, setting
from icl.human.settings import HumanSettings
from icl.mllm.settings import MLLMSettings, SFTSettings
from icl.pretrain.settings import PretrainSettings
from icl.rda.settings import RDASettings
from icl.rerank.settings import RerankSettings, THISettings
from icl.retriever.settings import GivenRetrieverSettings, RetrieverSettings
from icl.workflow.methods import DEFAULT_METHODS, METHODS, NOISE_VARIANTS


@dataclass(frozen=True)
class JobSettings:
    """What the jobs ask of a cluster; the profile names account and partition."""

    gpus: int = setting(
        0, "GPUs of a job that runs a model (of one process, where it trains with several).", low=0, high=1024
    )
    gpu_type: str = setting("", "Type of these GPUs as the cluster names it (a100), or empty for any.")
    training_processes: int = setting(
        1,
        "Processes of one retriever training, started by torchrun: one a GPU, or a share of the CPU threads.",
        low=1,
        high=4096,
    )
    training_nodes: int = setting(1, "Nodes that these processes are spread over (Slurm).", low=1, high=4096)


@dataclass(frozen=True)
class Settings:
    """The whole run."""

    datasets: dict[str, DatasetSettings] = field(default_factory=dict, metadata={"help": "Benchmarks by name."})
    methods: tuple[str, ...] = setting(
        DEFAULT_METHODS,
        "Rows of results/table.csv.",
        choices=METHODS,
    )
    seeds: tuple[int, ...] = setting((1,), "Training seeds; each gives its own rows.", low=0, high=SEED_LIMIT)
    results: str = setting("results", "Folder of all outputs.")
    threads: int = setting(2, "CPU threads of a timed job, which runs alone, and of the index.", low=1, high=4096)
    training_threads: int = setting(
        1,
        "CPU threads of one training: two trainings side by side use two cores better than one after the other.",
        low=1,
        high=4096,
    )
    bootstrap: int = setting(1000, "Bootstrap samples of the confidence intervals.", low=1, high=1_000_000)
    noise_study: tuple[float, ...] = setting(
        (0.5,), "Shares of permuted training captions in the target `noise`, in whole percent.", low=0.01, high=1
    )
    noise_variants: tuple[str, ...] = setting(
        ("tal", "noccd"),
        "What the target `noise` trains: tal (RDE as it is), noccd (without CCD), trl, infonce, sdm (other losses, with CCD).",
        choices=tuple(NOISE_VARIANTS),
    )
    retrievers: dict[str, GivenRetrieverSettings] = field(
        default_factory=dict,
        metadata={"help": "Further retrievers by name, each with rows NAME and NAME+THI (Table 5)."},
    )
    retriever: RetrieverSettings = field(default_factory=RetrieverSettings, metadata={"help": "Retriever."})
    mllm: MLLMSettings = field(default_factory=MLLMSettings, metadata={"help": "MLLM."})
    sft: SFTSettings = field(default_factory=SFTSettings, metadata={"help": "SFT and LoRA."})
    rda: RDASettings = field(default_factory=RDASettings, metadata={"help": "RDA."})
    thi: THISettings = field(default_factory=THISettings, metadata={"help": "THI."})
    rerank: RerankSettings = field(default_factory=RerankSettings, metadata={"help": "Re-rankings beyond the paper's."})
    search: SearchSettings = field(default_factory=SearchSettings, metadata={"help": "Search in one's own images."})
    human: HumanSettings = field(default_factory=HumanSettings, metadata={"help": "A person in the loop."})
    jobs: JobSettings = field(default_factory=JobSettings, metadata={"help": "Cluster jobs."})
    pretrain: PretrainSettings = field(default_factory=PretrainSettings, metadata={"help": "Pre-training."})

    @property
    def tabled(self) -> dict[str, DatasetSettings]:
        """The benchmarks of results/table.csv and of the SFT set."""
        return {name: spec for name, spec in self.datasets.items() if spec.table}
