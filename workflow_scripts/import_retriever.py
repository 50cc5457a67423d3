"""Take a given checkpoint as a retriever: its weights in this project's form, and the tokenizer."""

import json
from pathlib import Path

from _glue import job

with job(snakemake):
    from icl.config import typed
    from icl.retriever.checkpoints import import_retriever, save_retriever
    from icl.settings import RetrieverSettings

    settings, out = typed(RetrieverSettings, snakemake.params.settings), Path(snakemake.output.model).parent
    model, tokenizer = import_retriever(snakemake.params.source, settings, settings.text_length)
    save_retriever(model, tokenizer, settings, out)
    Path(snakemake.output.selection).write_text(json.dumps({"rule": "given", "epoch": 0}))
