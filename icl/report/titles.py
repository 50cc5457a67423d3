"""What each table is called, and what a reader needs to know to read it: one text for every report."""

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
