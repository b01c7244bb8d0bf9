"""Zip a folder so that the same files make the same bytes, whenever and wherever they were written."""

import hashlib
import zipfile
from dataclasses import dataclass
from pathlib import Path
from typing import Final

_EPOCH: Final = (1980, 1, 1, 0, 0, 0)  # the earliest a zip can say
_MODE: Final = 0o100755 << 16  # a regular file anyone may read and run: libraries are loaded from here
_UNIX: Final = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class Archive:
    """A zip that was written; sizes in bytes."""

    path: Path
    zipped: int
    unzipped: int
    files: int
    sha256: str


def write_archive(folder: Path, path: Path) -> Archive:
    """Write the files of a folder, sorted by name, without times, owners or modes of their own."""
    path.parent.mkdir(parents=True, exist_ok=True)
    unzipped = 0
    files = sorted((file.relative_to(folder).as_posix(), file) for file in folder.rglob("*") if file.is_file())
    with zipfile.ZipFile(path, "w") as archive:
        for name, file in files:
            entry = zipfile.ZipInfo(name, _EPOCH)
            entry.create_system, entry.external_attr, entry.compress_type = _UNIX, _MODE, zipfile.ZIP_DEFLATED
            content = file.read_bytes()
            unzipped += len(content)
            archive.writestr(entry, content)
    written = path.read_bytes()
    return Archive(
        path=path,
        zipped=len(written),
        unzipped=unzipped,
        files=len(files),
        sha256=hashlib.sha256(written).hexdigest(),
    )
