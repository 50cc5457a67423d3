"""The index of a gallery: a folder's images, encoded once, and searched from disk."""

from __future__ import annotations

import tempfile
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
from PIL import Image

from icl.apps.index.captions import describe_all, prune
from icl.apps.index.files import require_images
from icl.apps.index.place import Place
from icl.apps.index.shelf import Shelf
from icl.apps.index.streamed import Vectors, similarities
from icl.apps.index.texts import captions_of, with_captions
from icl.apps.index.updating import brought_up_to_date
from icl.apps.shipped import SHIPPED, Judge
from icl.data.images import ImageStore, fitted
from icl.data.tokenizer import CaptionTokenizer
from icl.device import chosen_device
from icl.errors import InputError
from icl.files import reason
from icl.ranking.scores import best_columns
from icl.rerank.split import Encoder
from icl.retriever.encoding.embeddings import encode_images, encode_texts, image_size
from icl.retriever.encoding.vectors import Embeddings
from icl.retriever.model import RDE
from icl.retriever.weights.checkpoints import load_retriever


@dataclass(frozen=True)
class Index:
    """The encoded images of a folder, G of them.

    Attributes:
        folder: where they are. names: their paths inside it, sorted. shelf: vectors and thumbnails, a row a name.
        model, tokenizer: the retriever. described: the MLLM's captions, where all images have one. told: their vectors.
        skipped: files that could not be read, and why.
    """

    folder: Path
    names: list[str]
    shelf: Shelf
    model: RDE
    tokenizer: CaptionTokenizer
    described: list[str] | None = None
    told: Vectors | None = None
    skipped: dict[str, str] = field(default_factory=dict)

    @classmethod
    def update(
        cls,
        gallery: str | Path,
        retriever: str | Path = SHIPPED,
        store: str | Path = "results/index",
        describe: Judge | None = None,
    ) -> Index:
        """Encode what is new or changed in a folder and its subfolders, forget what has gone, and open the index.

        A run that was killed goes on where it was. Pictures are known by their content: a renamed or copied file is not
        encoded again. Two processes on one gallery follow each other. A file that cannot be read is left out, with a warning.

        Args:
            retriever: folder of a trained retriever (`results/retriever/<benchmark>/rda/seed<n>`), or the shipped one.
            store: folder of indexes, of any galleries and retrievers. describe: the MLLM that writes captions of images.

        Raises:
            InputError: no such folder, no readable image in it, an unreadable retriever, or a store that cannot be written.
        """
        gallery, retriever = Path(gallery), Path(retriever)
        require_images(gallery)  # before the retriever is read
        model, tokenizer = _opened(retriever)
        place = Place.of(Path(store), gallery, retriever)
        try:
            with place.alone() as only:
                before = after = brought_up_to_date(place, gallery, model)
                if describe is not None:
                    after = replace(after, describer=describe_all(place, after, gallery, describe))
                prune(place.captions, (digest for _, digest in after.contents()))
                after = with_captions(place, after, _encoder(model, tokenizer))
                if after != before:
                    place.put(after)
                if only:
                    place.tidy(after)
        except OSError as error:
            what = f"a folder that cannot be written ({reason(error)})"
            raise InputError(
                str(store), what, "a folder with room for the index", "Free it, or choose another."
            ) from error
        return cls._read(place, gallery, model, tokenizer)

    @classmethod
    def open(cls, gallery: str | Path, retriever: str | Path = SHIPPED, store: str | Path = "results/index") -> Index:
        """Open what `update` wrote, as it is: the folder itself is not looked at.

        Raises:
            InputError: there is no index of this gallery by this retriever, or a damaged one.
        """
        gallery, retriever = Path(gallery), Path(retriever)
        model, tokenizer = _opened(retriever)
        return cls._read(Place.of(Path(store), gallery, retriever), gallery, model, tokenizer)

    @classmethod
    def read(cls, folder: str | Path, retriever: str | Path = SHIPPED, describe: Judge | None = None) -> Index:
        """Encode a folder for this process alone: nothing is kept.

        Raises:
            InputError: as `update`.
        """
        with tempfile.TemporaryDirectory(prefix="icl-index-") as store:
            return cls.update(folder, retriever, store, describe)

    @classmethod
    def _read(cls, place: Place, gallery: Path, model: RDE, tokenizer: CaptionTokenizer) -> Index:
        manifest, shelf = place.read()
        described, told = captions_of(place, manifest)
        return cls(gallery, list(manifest.files), shelf, model, tokenizer, described, told, manifest.skipped)

    @property
    def paths(self) -> list[Path]:
        """Files of the images."""
        return [self.folder / name for name in self.names]

    @property
    def vectors(self) -> Vectors:
        """BGE (G, D) and TSE (G, E), on disk."""
        return self.shelf.bge, self.shelf.tse

    def __len__(self) -> int:
        return len(self.names)

    def encode(self, texts: list[str]) -> Vectors:
        """BGE and TSE of texts."""
        bge, tse = _encoder(self.model, self.tokenizer)(texts)
        return bge, tse

    def encode_image(self, image: Image.Image) -> Vectors:
        """BGE (1, D) and TSE (1, E) of a picture, which need not be of the gallery."""
        pixels = fitted(image.convert("RGB"), *image_size(self.model))
        bge, tse = encode_images(self.model, ImageStore.of(pixels[None]))
        return bge.numpy(), tse.numpy()

    def similarities(self, text: str) -> np.ndarray:
        """Similarities (G,) of a text to the images: the mean of the BGE and TSE cosines, exact."""
        return self.similar_to(self.encode([text]))[0]

    def similar_to_image(self, image: Image.Image) -> np.ndarray:
        """Similarities (G,) of a picture to the images."""
        return self.similar_to(self.encode_image(image))[0]

    def similar_to(self, vectors: Vectors) -> np.ndarray:
        """Similarities (N, G) of N texts or pictures, given by BGE (N, D) and TSE (N, E); reads the images' once, in blocks."""
        return similarities(vectors, self.vectors)

    def first(self, text: str, k: int) -> list[tuple[int, float]]:
        """The k images most similar to a text, as (column, similarity)."""
        found = self.similarities(text)
        return [(int(c), float(found[c])) for c in best_columns(-found, min(k, len(found)))]

    def thumbnail(self, column: int) -> bytes:
        """A small JPEG of an image."""
        return self.shelf.thumbnail(column)

    def embeddings(self, query: str) -> Embeddings:
        """Of one query and the images; every image is an identity of its own, as nobody knows better."""
        numbers, one = np.arange(len(self)), np.zeros(1, dtype=np.int64)
        return Embeddings(*self.vectors, *self.encode([query]), numbers, numbers, one, one)


def _opened(retriever: Path) -> tuple[RDE, CaptionTokenizer]:
    model, tokenizer = load_retriever(retriever)
    return model.to(chosen_device()), tokenizer


def _encoder(model: RDE, tokenizer: CaptionTokenizer) -> Encoder:
    return lambda texts: tuple(part.numpy() for part in encode_texts(model, tokenizer, texts))
