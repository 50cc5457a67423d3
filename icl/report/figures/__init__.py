"""The figures of the paper that show numbers, and those it lacks, in the order of a report: one file, one entry here each."""

from __future__ import annotations

from icl.registry import Registry
from icl.report.figures.base import Figure, Place
from icl.workflow.paths import first_ccd, pairs_file
from icl.workflow.rows import shown

__all__ = ["FIGURES", "Figure", "Place"]
_HERE = "icl.report.figures"

FIGURES: Registry[Figure] = Registry(
    "figure",
    "icl.figures",
    {
        "main": Figure(
            "Rank-1 and mAP of every row",
            "Means over seeds of the test split; the bar is the 95% bootstrap interval of Rank-1 over the "
            "identities, the mean of the seeds' intervals.",
            lambda s, d: [f"{s.results}/table.csv"],
            f"{_HERE}.main",
        ),
        "method": Figure(
            "The method on one interaction of the run",
            "Above, training: RDA's captions and the retriever. Below, THI: the MLLM is asked about the first "
            "images, the one that it confirms answers questions, and the refined query ranks the gallery "
            "anew.",
            lambda s, d: [shown(s, d, "record.jsonl"), pairs_file(s, d), f"{s.results}/table.csv"],
            f"{_HERE}.method",
        ),
        "rounds": Figure(
            "Figure 6: rounds of the interaction",
            "Rank-1 and mAP after each round, with the questions that each round asks and the queries that it refines.",
            lambda s, d: [shown(s, d, "sweeps.json")],
            f"{_HERE}.rounds",
        ),
        "examples": Figure(
            "Figure 7: the first ten images before and after THI",
            "Two queries that it mends, and one that a wrong confirmation spoils. Right images have a thick "
            "green frame, wrong ones a thin dashed one; words that the dialogue added are bold. Heads of "
            "drawn pedestrians are masked; photographs are shown as mosaics of 24 cells along their longer "
            "side.",
            lambda s, d: [shown(s, d, "record.jsonl"), pairs_file(s, d)],
            f"{_HERE}.examples",
        ),
        "density": Figure(
            "Figure 3: similarity of a query and its first image",
            "Density where that image is right and where it is wrong. THI asks about the first image alone "
            "where the similarity is above xi.",
            lambda s, d: [shown(s, d, "record.jsonl"), shown(s, d, "chosen.json")],
            f"{_HERE}.density",
        ),
        "sweeps": Figure(
            "Figure 5: threshold xi and weight lambda",
            "Rank-1 and mAP on the test split from recorded answers. The values in use were chosen on val "
            "(xi) or are the paper's (lambda).",
            lambda s, d: [shown(s, d, "sweeps.json")],
            f"{_HERE}.sweeps",
        ),
        "ccd": Figure(
            "What CCD divides",
            "Losses of the training pairs under both embeddings at the end of training, by the label that "
            "confident consensus division gives them.",
            lambda s, d: [first_ccd(s, d)],
            f"{_HERE}.ccd",
        ),
        "noise": Figure(
            "Permuted captions",
            "Training on captions of which a share was permuted, with and without confident consensus "
            "division: mAP on val, and how well the division's doubt finds the permuted pairs.",
            lambda s, d: [f"{s.results}/noise_epochs.csv"],
            f"{_HERE}.noise",
            shown=False,
        ),
        "frontier": Figure(
            "Accuracy against cost",
            "Rank-1 and mAP of every row against the MLLM's tokens a query, read and written. The grey line "
            "joins the best at each cost. Orange rows need captions of the gallery, which are written once; "
            "blue ones do not.",
            lambda s, d: [f"{s.results}/beyond.csv"],
            f"{_HERE}.frontier",
            shown=False,
        ),
        "sizes": Figure(
            "Accuracy against the size of the gallery",
            "Rank-1 and mAP where the test split's identities are dealt into six, three, two parts or one, "
            "each with a gallery of its own; every query is asked each time. Parameters are those chosen on "
            "val for the whole split.",
            lambda s, d: [f"{s.results}/sizes/{d}/seed{n}.csv" for n in s.seeds],
            f"{_HERE}.sizes",
            shown=False,
        ),
        "calibration": Figure(
            "Reliability of T_loc before and after LoRA",
            "How often a caption is true where the MLLM says Yes with a given probability, on held-out "
            "questions. On the dotted line it would be calibrated.",
            lambda s, d: [f"{s.results}/lora/seed{s.seeds[0]}/evaluation.json"],
            f"{_HERE}.calibration",
            shown=False,
        ),
    },
    Figure,
)
