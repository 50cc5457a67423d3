"""Take a given checkpoint as a retriever: its weights in this project's form, and the tokenizer."""

import json
from pathlib import Path

from _glue import job, settings_of

with job(snakemake):
    from icl.fields import with_operational
    from icl.retriever.weights.checkpoints import import_retriever, save_retriever
    from icl.retriever.weights.published import published_settings

    source, out = snakemake.params.source, Path(snakemake.output.model).parent
    settings = published_settings(source, with_operational(snakemake.params.settings, settings_of(snakemake).retriever))
    model, tokenizer = import_retriever(source, settings, settings.text_length)
    save_retriever(model, tokenizer, settings, out)
    Path(snakemake.output.selection).write_text(json.dumps({"rule": "given", "epoch": 0}))
