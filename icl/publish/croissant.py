"""Croissant 1.0 metadata of the folder that `hub` writes, with the fields for responsible AI."""

from __future__ import annotations

from pathlib import Path

from icl.files import file_digest

_CR, _RAI = "http://mlcommons.org/croissant/", "http://mlcommons.org/croissant/RAI/"
_TERMS = (
    "citeAs column conformsTo:dct equivalentProperty extract field fileProperty fileObject fileSet format includes "
    "isLiveDataset jsonPath key md5 parentField path recordSet references regex repeated replace samplingRate separator source "
    "subField transform"
).split()
RESPONSIBLE = {
    "rai:dataCollection": "Drawn by a program from lists of attributes; nothing was photographed or collected.",
    "rai:dataCollectionType": ["Synthetic data"],
    "rai:dataAnnotationProtocol": "Captions are written by a program from what is visible in the picture it drew; nobody "
    "annotated anything.",
    "rai:personalSensitiveInformation": ["None: no picture shows a real person, and no caption describes one."],
    "rai:dataUseCases": "Checking code for text-to-image person re-identification, and comparing methods.",
    "rai:dataLimitations": "Simple figures and a few hundred words. Results do not predict those on photographs.",
    "rai:dataBiases": "Garments, colours and hair are drawn from fixed frequencies that are no population's; gender is a word "
    "of the captions and goes with hair and garments as the generator's lists say.",
    "rai:dataSocialImpact": "The task can be misused for surveillance. This data set holds nobody who could be harmed; methods "
    "that are developed on it can be applied to people, which needs their consent and a legal basis.",
    "rai:hasSyntheticData": True,
}


def metadata(known: dict, folder: Path) -> dict:
    """The JSON-LD document.

    Args:
        known: what `frozen.checked` gives. folder: with `data/SPLIT.parquet`.
    """
    name = known["name"] if known["name"] != "own" else "SynthPEDES (own settings)"
    return {
        "@context": _context(),
        "@type": "sc:Dataset",
        "conformsTo": [f"{_CR}1.0", f"{_RAI}1.0"],
        "name": "".join(c if c.isalnum() else "-" for c in name).strip("-"),
        "description": f"{name}: drawn pedestrians with captions, for text-to-image person re-identification.",
        "license": "https://www.apache.org/licenses/LICENSE-2.0",
        "url": "https://arxiv.org/abs/2506.11036",
        "version": name.split()[1] + ".0" if known["name"] != "own" else "0.0.0",
        "datePublished": "2026-11-26",
        "keywords": ["person re-identification", "text-to-image retrieval", "synthetic"],
        "citeAs": "Qin et al., Human-centered Interactive Learning via MLLMs for Text-to-Image Person Re-identification, "
        "CVPR 2025; SynthPEDES is drawn by its reference implementation.",
        **RESPONSIBLE,
        "distribution": [_file(split, folder) for split in known["splits"]],
        "recordSet": [_records(split) for split in known["splits"]],
    }


def _context() -> dict:
    terms = {
        name.split(":")[0]: f"{name.split(':')[1] if ':' in name else 'cr'}:{name.split(':')[0]}" for name in _TERMS
    }
    return {
        "@language": "en",
        "@vocab": "https://schema.org/",
        "sc": "https://schema.org/",
        "cr": _CR,
        "rai": _RAI,
        "dct": "http://purl.org/dc/terms/",
        "data": {"@id": "cr:data", "@type": "@json"},
        "examples": {"@id": "cr:examples", "@type": "@json"},
        "dataType": {"@id": "cr:dataType", "@type": "@vocab"},
        **terms,
    }


def _file(split: str, folder: Path) -> dict:
    path = folder / f"data/{split}.parquet"
    return {
        "@type": "cr:FileObject",
        "@id": f"{split}.parquet",
        "name": f"{split}.parquet",
        "contentUrl": f"data/{split}.parquet",
        "contentSize": f"{path.stat().st_size} B",
        "encodingFormat": "application/x-parquet",
        "sha256": file_digest(path),
    }


def _records(split: str) -> dict:
    kinds = {"image": "sc:ImageObject", "file_name": "sc:Text", "identity": "sc:Integer", "captions": "sc:Text"}
    return {
        "@type": "cr:RecordSet",
        "@id": split,
        "name": split,
        "field": [_field(split, *one) for one in kinds.items()],
    }


def _field(split: str, name: str, kind: str) -> dict:
    source: dict = {"fileObject": {"@id": f"{split}.parquet"}, "extract": {"column": name}}
    if name == "image":
        source["transform"] = {"jsonPath": "bytes"}
    field = {"@type": "cr:Field", "@id": f"{split}/{name}", "name": name, "dataType": kind, "source": source}
    return field | ({"repeated": True} if name == "captions" else {})
