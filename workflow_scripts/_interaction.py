"""What the scripts of THI share: a split's similarities and texts, the retriever's text encoder, the MLLM."""

from functools import partial
from pathlib import Path
from types import SimpleNamespace


def open_split(snakemake, split):
    """Everything that THI needs on one split of the rule's benchmark."""
    from icl.config import typed
    from icl.data.pairs import images_of, read_pairs, split_of
    from icl.mllm.registry import adapter_of, open_backend
    from icl.retriever.given import open_scores
    from icl.settings import MLLMSettings, THISettings

    rows, root = split_of(read_pairs(Path(snakemake.input.pairs)), split), Path(snakemake.params.root)
    emb = open_scores(Path(snakemake.input.embeddings), split, rows)
    mllm = typed(MLLMSettings, snakemake.params.mllm)
    adapter = adapter_of(snakemake.wildcards.judge, snakemake.input.adapter)
    return SimpleNamespace(
        emb=emb,
        captions=rows.caption.tolist(),
        images=[root / name for name in images_of(rows).image],
        refine=_refiner(snakemake, emb),
        mllm=mllm,
        backend=open_backend(mllm, adapter),
        thi=typed(THISettings, snakemake.params.settings),
    )


def _refiner(snakemake, emb):
    """Refined texts to scores, by the retriever; where only scores are given, a query's own row stands for its refined one."""
    from icl.scores import Part

    if not snakemake.input.model:
        return lambda raw, texts, queries: Part(raw, queries)
    from icl.retriever.checkpoints import load_retriever
    from icl.retriever.embeddings import encode_texts

    model, tokenizer = load_retriever(Path(snakemake.input.model[0]).parent)
    return lambda raw, texts, queries: emb.scores_of(tuple(t.numpy() for t in encode_texts(model, tokenizer, texts)))


def interact(s, rows, backend, xi):
    """THI on a slice of the split's queries; no image's visual tokens are kept from an earlier call."""
    import numpy as np

    from icl.scores import Part
    from icl.thi import run_thi

    s.backend.forget_images()
    raw = Part(s.emb.scores, np.arange(len(s.captions))[rows])
    refine = partial(s.refine, raw)
    return run_thi(raw, s.captions[rows], s.images, refine, backend, s.mllm, s.thi.rounds, xi, s.thi.lambda_)


def sweep_thresholds(s, snakemake):
    """Rank-1 and mAP of a split at every threshold, and the best one; answers are kept."""
    from icl.thi import select_xi

    return select_xi(
        s.emb.scores,
        s.emb.text_pids,
        s.emb.image_pids,
        s.captions,
        s.images,
        partial(s.refine, s.emb.scores),
        stored(s.backend, snakemake),
        s.mllm,
        s.thi.rounds,
        s.thi.lambda_,
        s.thi.xi_grid,
    )


def stored(backend, snakemake):
    """The back-end with its answers kept, so that an interrupted run asks only what is missing.

    The folder may be shared with other rows of the table; the file's name is the job's own.
    """
    from icl.mllm.store import AnswerStore, CachedBackend

    w, answers = snakemake.wildcards, Path(snakemake.params.answers)
    return CachedBackend(backend, AnswerStore(answers, f"{snakemake.rule}-{w.method}-{w.judge}-seed{w.seed}"))
