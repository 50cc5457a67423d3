"""What every file of a results folder is: written beside them as README.md."""

INDEX = """# What is in this folder

| path | what |
|---|---|
| `table.csv`, `summary.csv`, `summary.md` | a row per (benchmark, method, seed); means over seeds |
| `timing.csv` | seconds per query of the re-rankings, by stage; no answer from the store |
| `judge.csv` | T_loc on held-out questions before and after LoRA |
| `mllm_cost.csv` | what the MLLM was asked, by stage and kind: questions, calls, tokens, seconds, time by the clock |
| `provenance.json` | versions, commit, machine, configuration, hashes of the prompts |
| `report.html` | all tables and figures on one page, which opens offline |
| `tables/*.csv, *.html, *.md, *.tex` | the paper's tables beside its numbers (3: `cross_domain`, 4: `fine_coarse`) |
| `tables/differences.*`, `tables/interaction.*` | tests between rows by identity; THI's anchors and refined queries by round |
| `figures/<benchmark>/*.png, *.pdf` | main, density (Figure 3), sweeps (5), rounds (6), examples (7), method, ccd, noise |
| `figures/calibration.png, .pdf` | reliability of T_loc before and after LoRA |
| `benchmarks/<name>/` | a generated benchmark in CUHK-PEDES' layout; `truth/` its attributes, for analysis only |
| `pairs/<name>.parquet` | one row a caption; an image without captions has one with caption_id -1 |
| `retriever/<name>/<rde or rda>/seed<n>/` | weights, history by epoch, CCD's division, how the epoch was selected |
| `embeddings/...`, `metrics/...` | embeddings of each split; retrieval metrics with each query's ranks |
| `sft/seed<n>/`, `lora/seed<n>/` | records of the SFT set and its card; the adapter, its history and evaluation |
| `augment/<name>/` | RDA's augmented captions |
| `thi/<name>/<retriever>/<judge>/seed<n>/` | xi, with its sweep on val; every interaction; metrics; times |
| `yes/...`, `neighbours/...`, `evidence/...` and so on | the same of every other way to re-rank |
| `captions/<name>/<split>/` | the MLLM's captions of a gallery, and what they cost |
| `answers/<stage>/*.jsonl` | the MLLM's answers: what is there is not asked again |
| `gguf/<base or lora-seed<n>>/` | target `gguf`: the MLLM and each merged adapter for llama.cpp and Ollama |
| `search/index.html` | what the target `search` found in one's own images |
| `release/<name>-icl/` | target `release`: the trained retriever and adapter as models/ ships them |
| `human.csv`, `human/pack/`, `human/simulated/` | target `human`: measured sessions, what they draw from, simulated people |
| `human/sessions/*.jsonl` | journals of people's sessions: nothing can make them again |
| `logs/`, `benchmarks_time/` | a log for each job; its time and memory |
"""
