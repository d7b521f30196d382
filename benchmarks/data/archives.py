"""Compressed files, looked at before they are unpacked."""

import gzip
import shutil
import stat
import zipfile
from pathlib import Path, PurePosixPath, PureWindowsPath

from ..errors import UsageError

RATIO = 200  # of unpacked to packed bytes, beyond which no data are
FREE = 2**28  # bytes that may be unpacked from however few
PIECE = 2**20
METHODS = {
    zipfile.ZIP_STORED,
    zipfile.ZIP_DEFLATED,
    zipfile.ZIP_BZIP2,
    zipfile.ZIP_LZMA,
}


def check_zip(archive: zipfile.ZipFile, path: Path) -> None:
    """Checks what an archive says of its members, before any is read.

    Raises:
        UsageError: If one is encrypted, of an unknown method, a link or
            outside of the folder, or if all are too large.
    """
    for member in archive.infolist():
        wrong = _wrong(member)
        if wrong:
            name = member.filename.encode('ascii', 'replace').decode()
            raise UsageError(f'{path} has a member that is {wrong}: {name!r}')
    total = sum(member.file_size for member in archive.infolist())
    _check_size(total, path)


def _wrong(member: zipfile.ZipInfo) -> str | None:
    if member.flag_bits & 1:
        return 'encrypted'
    if member.compress_type not in METHODS:
        return f'packed by the unknown method {member.compress_type}'
    if stat.S_ISLNK(member.external_attr >> 16):
        return 'a link'
    for kind in (PurePosixPath, PureWindowsPath):
        place = kind(member.orig_filename)
        if place.anchor or '..' in place.parts:
            return 'outside of its folder'
    return None


def check_gzip(path: Path) -> None:
    """Unpacks a file once, and keeps nothing.

    Raises:
        UsageError: If it is too large.
        OSError: If it is no such file.
        EOFError: If it is torn.
    """
    total = 0
    with gzip.open(path) as file:
        while piece := file.read(PIECE):
            total += len(piece)
            _check_size(total, path)


def _check_size(total: int, path: Path) -> None:
    packed = path.stat().st_size
    limit = max(FREE, RATIO * packed)
    if total > limit:
        raise UsageError(
            f'{path} would unpack to {total} bytes or more, which is too much '
            f'for {packed} (at most {limit})'
        )


def unpack(path: Path, folder: Path) -> None:
    """Unpacks an archive into a folder.

    Raises:
        UsageError: As :func:`check_zip`, or if there is no room for it.
        Exception: Of any kind, if it is damaged.
    """
    with zipfile.ZipFile(path) as archive:
        check_zip(archive, path)
        total = sum(member.file_size for member in archive.infolist())
        room = shutil.disk_usage(folder).free
        if total > room:
            raise UsageError(
                f'{path} unpacks to {total} bytes, and {folder} has room for '
                f'{room}'
            )
        archive.extractall(folder)
