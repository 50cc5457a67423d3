"""Opt-in download of a benchmark that its owners serve openly: resumable, checked, extracted safely."""

from __future__ import annotations

import shutil
import tarfile
import zipfile
from pathlib import Path
from typing import Any

from icl.data.annotations import annotation_file, read_annotations
from icl.data.layouts import LAYOUTS
from icl.errors import InputError
from icl.progress import announce


def download(layout: str, root: Path, url: str = "") -> None:
    """Fetch a benchmark into its folder; the part of an interrupted download is kept and carried on.

    Args:
        layout: one that its owners serve openly. root: the benchmark's folder. url: a mirror of one's own, instead.

    Raises:
        InputError: not served openly, no connection, a broken or unsafe archive, or other content than expected.
    """
    known = LAYOUTS[layout]
    if not (url or known.drive_id):
        raise InputError(
            f"benchmark {known.title}", "no open download", "files from its owners", " ".join(known.access)
        )
    root.mkdir(parents=True, exist_ok=True)
    archive = root / "download.archive"
    if not archive.exists():
        _fetch(known.drive_id, url, archive)
    content = root / "download.content"
    shutil.rmtree(content, ignore_errors=True)
    unpack(archive, content)
    _place(layout, content, root)
    read_annotations(layout, root)
    shutil.rmtree(content)
    archive.unlink()


def _fetch(drive_id: str, url: str, archive: Path) -> None:
    import gdown

    part = archive.with_suffix(".fetching")
    announce(f"downloading {url or f'Google Drive file {drive_id}'}; an interrupted download is carried on")
    try:
        source: dict[str, Any] = {"url": url} if url else {"id": drive_id}
        gdown.download(output=str(part), resume=True, retries=3, quiet=True, timeout=60, **source)
    except Exception as error:  # gdown, requests and the OS each raise their own types
        reason = f"{type(error).__name__}: {str(error).splitlines()[0] if str(error) else ''}"
        remedy = "Run the same command again: what has arrived is kept. Or fetch the file by hand."
        raise InputError(
            url or f"Google Drive file {drive_id}", f"no complete download ({reason})", "a file", remedy
        ) from error
    part.rename(archive)


def unpack(archive: Path, folder: Path) -> None:
    """Extract a zip or tar archive; nothing may land outside the folder, and no link may lead there.

    Raises:
        InputError: no archive, a broken one, or one with unsafe members.
    """
    remedy = f"Delete {archive} and run again."
    folder.mkdir(parents=True)
    try:
        if zipfile.is_zipfile(archive):
            with zipfile.ZipFile(archive) as content:
                for name in content.namelist():
                    if not (folder / name).resolve().is_relative_to(folder.resolve()):
                        raise InputError(
                            str(archive), f"a member outside its folder ({name})", "a plain archive", remedy
                        )
                content.extractall(folder)
        elif tarfile.is_tarfile(archive):
            with tarfile.open(archive) as content:
                content.extractall(folder, filter="data")
        else:
            raise InputError(str(archive), "no zip or tar archive", "one", remedy)
    except InputError:
        raise
    except Exception as error:  # also of a wanted password, an unknown compression, and each decompressor's own
        raise InputError(str(archive), f"a broken or unsafe archive ({error})", "a whole one", remedy) from error


def _place(layout: str, content: Path, root: Path) -> None:
    """Move annotation file and images from wherever the archive has them."""
    known = LAYOUTS[layout]
    found = next((path for name in known.files for path in sorted(content.rglob(name))), None)
    if found is None:
        have = ", ".join(sorted(path.name for path in content.iterdir())[:6])
        raise InputError(str(content), f"an archive with {have}", known.files[0], "Get the owners' current release.")
    images = found.parent / known.images
    if not images.is_dir():
        images = next((path for path in sorted(content.rglob(known.images)) if path.is_dir()), images)
    if images.is_dir() and not LAYOUTS[layout].image_root(root).exists():
        images.rename(LAYOUTS[layout].image_root(root))
    found.replace(root / found.name)
    annotation_file(layout, root)
