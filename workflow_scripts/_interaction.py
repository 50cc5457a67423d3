"""What the scripts of THI share: a split's similarities and texts, the retriever's text encoder, the MLLM."""

from pathlib import Path
from types import SimpleNamespace


def open_split(snakemake, split):
    """Everything that THI needs on one split of the rule's benchmark."""
    from icl.config import typed
    from icl.data.pairs import images_of, read_pairs, split_of
    from icl.mllm.registry import open_backend
    from icl.retriever.checkpoints import load_retriever
    from icl.retriever.embeddings import encode_texts
    from icl.retriever.vectors import Embeddings
    from icl.settings import MLLMSettings, THISettings

    rows, root = split_of(read_pairs(Path(snakemake.input.pairs)), split), Path(snakemake.params.root)
    emb = Embeddings.load(Path(snakemake.input.embeddings) / f"{split}.npz")
    model, tokenizer = load_retriever(Path(snakemake.input.model).parent)

    def refine(texts, queries):
        return emb.scores_of(tuple(t.numpy() for t in encode_texts(model, tokenizer, texts)))

    mllm = typed(MLLMSettings, snakemake.params.mllm)
    adapter = str(Path(snakemake.input.adapter[0]).parent) if snakemake.input.adapter else None
    return SimpleNamespace(
        emb=emb,
        captions=rows.caption.tolist(),
        images=[root / name for name in images_of(rows).image],
        refine=refine,
        mllm=mllm,
        backend=open_backend(mllm, adapter),
        thi=typed(THISettings, snakemake.params.settings),
    )


def interact(s, rows, backend, xi):
    """THI on a slice of the split's queries; no image's visual tokens are kept from an earlier call."""
    from icl.thi import run_thi

    s.backend.forget_images()
    scores = s.emb.scores_of((s.emb.text_bge[rows], s.emb.text_tse[rows]))
    return run_thi(scores, s.captions[rows], s.images, s.refine, backend, s.mllm, s.thi.rounds, xi, s.thi.lambda_)


def stored(backend, snakemake):
    """The back-end with its answers kept, so that an interrupted run asks only what is missing."""
    from icl.mllm.store import AnswerStore, CachedBackend

    return CachedBackend(backend, AnswerStore(Path(snakemake.params.answers), snakemake.rule))
