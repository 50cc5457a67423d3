"""A way to re-rank: the first image loses its place where the MLLM without adapter denies it."""

import time

import numpy as np

from icl.mllm.prompts import localise_text
from icl.mllm.protocol import YES_NO, Request
from icl.ranking.scores import MatrixScores, top_candidates
from icl.rerank.ways.base import Outcome, Way, told


class Second(Way):
    label = "Second"
    on = ("RDE",)
    judge = "base"
    asks = "rounds"

    def rerank(self, split, backend, chosen, queries=None):
        start, raw, captions = time.perf_counter(), split.part(queries), split.texts(queries)
        columns, _ = top_candidates(raw, 1)
        asked = [
            Request("localise", localise_text(caption), split.images[column], 4, YES_NO)
            for caption, column in zip(captions, columns[:, 0], strict=True)
        ]
        yes = np.array([[answer.probabilities["Yes"]] for answer in backend.answer(asked)])
        scores = np.array(raw.rows(slice(None)))
        scores[np.arange(len(scores)), columns[:, 0]] -= yes[:, 0] < 0.5
        return Outcome(
            MatrixScores(scores), {"localisation": time.perf_counter() - start}, told(captions, columns, yes)
        )


SECOND = Second()
