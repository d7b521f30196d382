import hashlib
import re
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import numpy as np
import pytest

from benchmarks import files
from benchmarks.errors import UsageError

CONTENT = np.random.default_rng(0).bytes(3 * 2**20 + 17)


class Server(BaseHTTPRequestHandler):
    """Serves CONTENT in parts, and hangs up where it is told to."""

    content, breaks, version, resumes = CONTENT, [], True, True

    def do_GET(self):
        if self.path != '/file.zip':
            self.send_error(404)
            return
        tag = f'"{hashlib.sha1(self.content).hexdigest()}"'
        asked = re.match(r'bytes=(\d+)-', self.headers.get('Range', ''))
        start = 0
        if self.resumes and asked and self.headers.get('If-Range') == tag:
            start = int(asked[1])
        self.asked.append(start)
        if start >= len(self.content):
            self.send_error(416)
            return
        self.send_response(206 if start else 200)
        if self.version:
            self.send_header('ETag', tag)
        rest, size = self.content[start:], len(self.content)
        if start:
            self.send_header(
                'Content-Range', f'bytes {start}-{size - 1}/{size}'
            )
        self.send_header('Content-Length', str(len(rest)))
        self.end_headers()
        self.wfile.write(rest[: self.breaks.pop(0)] if self.breaks else rest)

    def log_message(self, *args):
        pass


@pytest.fixture
def server():
    """A server on this machine: its handler, to be set, and its address."""
    handler = type('Handler', (Server,), {'asked': [], 'breaks': []})
    service = ThreadingHTTPServer(('127.0.0.1', 0), handler)
    threading.Thread(target=service.serve_forever, daemon=True).start()
    yield handler, f'http://127.0.0.1:{service.server_port}/file.zip'
    service.shutdown()
    service.server_close()


def test_a_broken_download_goes_on_where_it_broke(server, tmp_path):
    handler, url = server
    handler.breaks = [2**20, 5]
    files.fetch([url], tmp_path / 'new' / 'file.zip')
    assert (tmp_path / 'new' / 'file.zip').read_bytes() == CONTENT
    assert handler.asked == [0, 2**20, 2**20 + 5]
    assert [p.name for p in (tmp_path / 'new').iterdir()] == ['file.zip']


def test_a_later_call_goes_on(server, tmp_path):
    handler, url = server
    file = tmp_path / 'file.zip'
    handler.breaks = [10, 10, 10]
    with pytest.raises(UsageError, match='broke off after 10 of'):
        files.fetch([url], file)
    assert not file.exists()  # whole or not at all
    assert len((tmp_path / 'file.zip.part').read_bytes()) == 30
    files.fetch([url], file)
    assert file.read_bytes() == CONTENT
    assert handler.asked == [0, 10, 20, 30]


@pytest.mark.parametrize('change', ['content', 'version', 'resumes', 'url'])
def test_no_two_files_are_joined(server, tmp_path, change):
    """Another content, no version to compare, a server that knows no parts,
    or another address: from the start.
    """
    handler, url = server
    file = tmp_path / 'file.zip'
    if change == 'version':
        handler.version = False
    handler.breaks = [10] * files.TRIES
    with pytest.raises(UsageError):
        files.fetch([url], file)
    if change == 'content':
        handler.content = CONTENT[::-1]
    if change == 'resumes':
        handler.resumes = False
    if change == 'url':
        url = url.replace('127.0.0.1', 'localhost')
    handler.asked.clear()
    files.fetch([url], file)
    assert file.read_bytes() == handler.content
    assert handler.asked == [0]


def test_a_complete_part_that_was_not_renamed(server, tmp_path):
    handler, url = server
    file = tmp_path / 'file.zip'
    handler.breaks = [len(CONTENT) - 1] + [0] * 2
    with pytest.raises(UsageError):
        files.fetch([url], file)
    with open(tmp_path / 'file.zip.part', 'ab') as part:
        part.write(CONTENT[-1:])
    with pytest.raises(UsageError, match='416'):
        files.fetch([url], file)
    files.fetch([url], file)
    assert file.read_bytes() == CONTENT


def test_addresses_in_turn(server, tmp_path):
    _, url = server
    file = tmp_path / 'file.zip'
    files.fetch(['file:///no/file.zip', f'{url}x', url], file)
    assert file.read_bytes() == CONTENT
    with pytest.raises(UsageError) as info:
        files.fetch(['file:///no/file.zip', f'{url}x'], tmp_path / 'other')
    for part in ('other is missing', 'file:///no/file.zip', '404'):
        assert part in str(info.value)


def test_no_room_on_the_disk(server, tmp_path, monkeypatch):
    _, url = server
    usage = files.shutil.disk_usage(tmp_path)._replace(free=1000)
    monkeypatch.setattr(files.shutil, 'disk_usage', lambda path: usage)
    with pytest.raises(UsageError, match='too many for 1000 on the disk'):
        files.fetch([url], tmp_path / 'file.zip')


def test_reachable(server):
    _, url = server
    assert files.reachable(url)
    assert not files.reachable(f'{url}x')
