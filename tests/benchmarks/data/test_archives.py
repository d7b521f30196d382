import gzip
import struct
import zipfile
from pathlib import Path

import pytest

from benchmarks.data import archives
from benchmarks.data.download import reading
from benchmarks.errors import UsageError


def make(path, names=('a/b.txt',), content=b'content', **kwargs):
    with zipfile.ZipFile(path, 'w', **kwargs) as archive:
        for name in names:
            archive.writestr(name, content)
    return path


def patch(path, flag=0, method=None):
    """Changes what both heads of a member say of it."""
    content = bytearray(path.read_bytes())
    for mark, place in ((b'PK\x03\x04', 6), (b'PK\x01\x02', 8)):
        start = content.index(mark) + place
        flags, old = struct.unpack_from('<HH', content, start)
        new = old if method is None else method
        struct.pack_into('<HH', content, start, flags | flag, new)
    path.write_bytes(content)


def test_unpack(tmp_path):
    for kind in archives.METHODS:
        folder = tmp_path / str(kind)
        folder.mkdir()
        archives.unpack(make(tmp_path / 'a.zip', compression=kind), folder)
        assert (folder / 'a' / 'b.txt').read_bytes() == b'content'


@pytest.mark.parametrize(
    ('change', 'text'),
    [
        ({'flag': 1}, "encrypted: 'a/b.txt'"),
        ({'method': 97}, 'unknown method 97'),
        ({'method': 9}, 'unknown method 9'),
    ],
)
def test_members_that_cannot_be_read(change, text, tmp_path):
    file = make(tmp_path / 'a.zip')
    patch(file, **change)
    with pytest.raises(UsageError, match=text):
        archives.unpack(file, tmp_path)


@pytest.mark.parametrize(
    'name',
    [
        '../out.txt',
        'a/../../out.txt',
        '/out.txt',
        '..\\out',
        'C:\\out',
        'C:out',
    ],
)
def test_members_outside(name, tmp_path):
    folder = tmp_path / 'folder'
    folder.mkdir()
    file = make(tmp_path / 'a.zip', ['good.txt', name])
    with pytest.raises(UsageError, match='outside of its folder'):
        archives.unpack(file, folder)
    assert not list(folder.iterdir())


def test_links(tmp_path):
    link = zipfile.ZipInfo('link')
    link.external_attr = 0o120777 << 16
    file = make(tmp_path / 'a.zip', [link], b'/etc/passwd')
    with pytest.raises(UsageError, match='a link'):
        archives.unpack(file, tmp_path)


def test_bombs(tmp_path, monkeypatch):
    monkeypatch.setattr(archives, 'FREE', 2**20)
    zeros = bytes(2**21)
    kind = zipfile.ZIP_DEFLATED
    file = make(tmp_path / 'a.zip', content=zeros, compression=kind)
    with pytest.raises(UsageError, match=r'would unpack to 2097152 bytes'):
        archives.unpack(file, tmp_path)
    many = [f'{i}' for i in range(9)]
    file = make(tmp_path / 'b.zip', many, zeros[: 2**18], compression=kind)
    with pytest.raises(UsageError, match=r'would unpack to 2359296 bytes'):
        archives.unpack(file, tmp_path)
    with gzip.open(tmp_path / 'c.gz', 'wb') as packed:
        packed.write(zeros)
    with pytest.raises(UsageError, match='too much for'):
        archives.check_gzip(tmp_path / 'c.gz')
    archives.unpack(make(tmp_path / 'd.zip', content=zeros), tmp_path)


def test_no_room(tmp_path, monkeypatch):
    usage = archives.shutil.disk_usage(tmp_path)._replace(free=3)
    monkeypatch.setattr(archives.shutil, 'disk_usage', lambda path: usage)
    with pytest.raises(UsageError, match='has room for 3'):
        archives.unpack(make(tmp_path / 'a.zip'), tmp_path)


@pytest.mark.parametrize('size', [0, 10, 60, -4])
def test_torn(size, tmp_path):
    file = make(tmp_path / 'a.zip')
    file.write_bytes(file.read_bytes()[:size])
    with (
        pytest.raises(UsageError, match=r'a\.zip cannot be read'),
        reading(file),
    ):
        archives.unpack(file, tmp_path)
    assert Path(file).is_file()
