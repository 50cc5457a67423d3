"""What each table and figure is called, and what a reader needs to know to read it: one text for every report."""

from __future__ import annotations

TABLES = {
    "main": "Tables 1 and 2: text-to-image retrieval",
    "ablation": "Table 6: RDA, THI and LoRA",
    "retrievers": "Table 5: THI on several retrievers",
    "differences": "Differences between rows on the same queries (by identity: 95% interval, p, Holm-adjusted p)",
    "interaction": "Interaction by round: right anchors, and what refined queries gain and lose",
    "cross_domain": "Table 3: other domains",
    "fine_coarse": "Table 4: fine and coarse captions",
    "time": "Supplementary Table 1: seconds per query",
    "beyond": "Every way to re-rank, and what it costs",
    "bounds": "Bounds: judges that look at nothing, or know the answer",
    "human": "A person where the MLLM stands, and a witness",
    "draws": "Every way to re-rank, on several drawings of the benchmark",
    "draw_tests": "Differences between rows over all drawings (by identity)",
    "draw_pairs": "Gain on every pair of benchmarks, over all drawings",
}
"""Title by name of the file, in the order of a report."""

TABLE_CAPTION = (
    "Means over seeds (with standard deviation) beside the paper's figure for the same benchmark, where it prints one. A dash "
    "means that the row was not run, that the paper has no such number, or that the benchmark is not the one that its name "
    "says (a line below the table says why)."
)

FIGURES = {
    "main": (
        "Rank-1 and mAP of every row",
        "Means over seeds of the test split; the bar is the 95% bootstrap interval of Rank-1 over the identities, the mean "
        "of the seeds' intervals.",
    ),
    "method": (
        "The method on one interaction of the run",
        "Above, training: RDA's captions and the retriever. Below, THI: the MLLM is asked about the first images, the one that "
        "it confirms answers questions, and the refined query ranks the gallery anew.",
    ),
    "rounds": (
        "Figure 6: rounds of the interaction",
        "Rank-1 and mAP after each round, with the questions that each round asks and the queries that it refines.",
    ),
    "examples": (
        "Figure 7: the first ten images before and after THI",
        "Two queries that it mends, and one that a wrong confirmation spoils. Right images have a thick green frame, wrong "
        "ones a thin dashed one; words that the dialogue added are bold. Heads of drawn pedestrians are masked; photographs "
        "are shown as mosaics of 24 cells along their longer side.",
    ),
    "density": (
        "Figure 3: similarity of a query and its first image",
        "Density where that image is right and where it is wrong. THI asks about the first image alone where the similarity "
        "is above xi.",
    ),
    "sweeps": (
        "Figure 5: threshold xi and weight lambda",
        "Rank-1 and mAP on the test split from recorded answers. The values in use were chosen on val (xi) or are the "
        "paper's (lambda).",
    ),
    "ccd": (
        "What CCD divides",
        "Losses of the training pairs under both embeddings at the end of training, by the label that confident consensus "
        "division gives them.",
    ),
    "noise": (
        "Permuted captions",
        "Training on captions of which a share was permuted, with and without confident consensus division: mAP on val, and "
        "how well the division's doubt finds the permuted pairs.",
    ),
    "frontier": (
        "Accuracy against cost",
        "Rank-1 and mAP of every row against the MLLM's tokens a query, read and written. The grey line joins the best at each "
        "cost. Orange rows need captions of the gallery, which are written once; blue ones do not.",
    ),
    "sizes": (
        "Accuracy against the size of the gallery",
        "Rank-1 and mAP where the test split's identities are dealt into six, three, two parts or one, each with a gallery of "
        "its own; every query is asked each time. Parameters are those chosen on val for the whole split.",
    ),
    "calibration": (
        "Reliability of T_loc before and after LoRA",
        "How often a caption is true where the MLLM says Yes with a given probability, on held-out questions. On the dotted "
        "line it would be calibrated.",
    ),
}
"""(title, caption) by name of the file, in the order of a report."""
