"""What a layout of a public benchmark is."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

Counts = tuple[int, int, int]
BY_MAIL = "Write to the owners from an academic address, state the purpose, and sign what they ask for"


@dataclass(frozen=True)
class Layout:
    """A public benchmark in the form that its owners distribute.

    Attributes:
        title: its name in publications. version: which release. source: paper of the owners.
        files: annotation file names, the official one first. images: folder of the images below the root, or empty.
        path_field: field of a record that names its image.
        identities, images_count, captions: (train, val, test) of the files as distributed.
        stated: the supplementary's figures, for the report.
        access: the steps to get it, with its owners' page. drive_id: Google Drive id where they serve it openly, else empty.
        confirmed: False where a split count has not been seen on the files yet.
        superseded: identities (train, val, test) of an older release that is refused, where there is one.
        read: an annotation file to its records (`split`, `id`, `path_field`, `captions`), where it is not a JSON list of them.
    """

    title: str
    version: str
    source: str
    files: tuple[str, ...]
    images: str
    identities: Counts
    images_count: Counts
    captions: Counts
    stated: str
    access: tuple[str, ...]
    path_field: str = "file_path"
    drive_id: str = ""
    confirmed: bool = True
    superseded: Counts | None = None
    read: Callable[[Path], list[dict]] | None = None

    @property
    def has_val(self) -> bool:
        """Whether the release has a validation split."""
        return self.identities[1] > 0

    def image_root(self, root: str | Path) -> Path:
        """Folder that image paths are relative to."""
        return Path(root) / self.images

    def access_steps(self, root: str | Path) -> str:
        """What to do where the benchmark is missing, as numbered steps in one line."""
        steps = [
            *self.access,
            f"Put {self.files[0]} into {root} and the images into {root}/{self.images}".rstrip("/"),
        ]
        return " ".join(f"({n}) {step}." for n, step in enumerate(steps, 1))
