"""Take a given checkpoint as a retriever: its weights in this project's form, and the tokenizer."""

import json
from pathlib import Path

from _glue import job

with job(snakemake):
    from icl.fields import typed
    from icl.retriever.settings import RetrieverSettings
    from icl.retriever.weights.checkpoints import import_retriever, save_retriever
    from icl.retriever.weights.published import published_settings

    source, out = snakemake.params.source, Path(snakemake.output.model).parent
    settings = published_settings(source, typed(RetrieverSettings, snakemake.params.settings))
    model, tokenizer = import_retriever(source, settings, settings.text_length)
    save_retriever(model, tokenizer, settings, out)
    Path(snakemake.output.selection).write_text(json.dumps({"rule": "given", "epoch": 0}))
