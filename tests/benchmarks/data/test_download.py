import hashlib
import re
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import numpy as np
import pytest

from benchmarks.data import download, folders
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
    threading.Thread(
        target=service.serve_forever, args=[0.01], daemon=True
    ).start()
    yield handler, f'http://127.0.0.1:{service.server_port}/file.zip'
    service.shutdown()
    service.server_close()


def test_a_broken_download_goes_on_where_it_broke(server, tmp_path):
    handler, url = server
    handler.breaks = [2**20, 5]
    download.fetch([url], tmp_path / 'new' / 'file.zip')
    assert (tmp_path / 'new' / 'file.zip').read_bytes() == CONTENT
    assert handler.asked == [0, 2**20, 2**20 + 5]
    assert [p.name for p in (tmp_path / 'new').iterdir()] == ['file.zip']


def test_a_later_call_goes_on(server, tmp_path):
    handler, url = server
    file = tmp_path / 'file.zip'
    handler.breaks = [10, 10, 10]
    with pytest.raises(UsageError, match='broke off after 10 of'):
        download.fetch([url], file)
    assert not file.exists()  # whole or not at all
    assert len((tmp_path / 'file.zip.part').read_bytes()) == 30
    download.fetch([url], file)
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
    handler.breaks = [10] * download.TRIES
    with pytest.raises(UsageError):
        download.fetch([url], file)
    if change == 'content':
        handler.content = CONTENT[::-1]
    if change == 'resumes':
        handler.resumes = False
    if change == 'url':
        url = url.replace('127.0.0.1', 'localhost')
    handler.asked.clear()
    download.fetch([url], file)
    assert file.read_bytes() == handler.content
    assert handler.asked == [0]


def test_a_complete_part_that_was_not_renamed(server, tmp_path):
    handler, url = server
    file = tmp_path / 'file.zip'
    handler.breaks = [len(CONTENT) - 1] + [0] * 2
    with pytest.raises(UsageError):
        download.fetch([url], file)
    with open(tmp_path / 'file.zip.part', 'ab') as part:
        part.write(CONTENT[-1:])
    with pytest.raises(UsageError, match='416'):
        download.fetch([url], file)
    download.fetch([url], file)
    assert file.read_bytes() == CONTENT


def test_addresses_in_turn(server, tmp_path):
    _, url = server
    file = tmp_path / 'file.zip'
    download.fetch(['file:///no/file.zip', f'{url}x', url], file)
    assert file.read_bytes() == CONTENT
    with pytest.raises(UsageError) as info:
        download.fetch(['file:///no/file.zip', f'{url}x'], tmp_path / 'other')
    for part in ('other is missing', 'file:///no/file.zip', '404'):
        assert part in str(info.value)


def test_no_room_on_the_disk(server, tmp_path, monkeypatch):
    _, url = server
    usage = download.shutil.disk_usage(tmp_path)._replace(free=1000)
    monkeypatch.setattr(download.shutil, 'disk_usage', lambda path: usage)
    with pytest.raises(UsageError, match='too many for 1000 on the disk'):
        download.fetch([url], tmp_path / 'file.zip')


def test_reachable(server):
    _, url = server
    assert download.reachable(url)
    assert not download.reachable(f'{url}x')


class Odd(BaseHTTPRequestHandler):
    """Answers as servers and what stands before them do at times."""

    def do_GET(self):
        ask = self.headers.get('Range')
        self.server.asked.append((self.path, ask))
        status, headers, body = ANSWERS[self.path](ask)
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *args):
        pass


def part(ask, ranged, length='10', whole=b'0123456789'):
    """Breaks off after 4 bytes; the rest comes with a range of any kind."""
    head = {'ETag': '"a"', 'Content-Length': length}
    if ask is None:
        return 200, {**head, 'Content-Length': '10'}, whole[:4]
    if ranged is not None:
        head['Content-Range'] = ranged
    return 206, head, whole[-int(length) :]


PAGE = b'\n<!DOCTYPE HTML><html><title>Log in</title></html>'
LONG = {'Content-Length': str(len(PAGE))}
ANSWERS = {
    '/letters': lambda ask: (200, {'Content-Length': 'abc'}, b'data'),
    '/negative': lambda ask: (200, {'Content-Length': '-4'}, b'data'),
    '/digits': lambda ask: (200, {'Content-Length': '1_0'}, b'data'),
    '/empty': lambda ask: (200, {'Content-Length': '0'}, b''),
    '/nothing': lambda ask: (200, {}, b''),
    '/page': lambda ask: (200, LONG, PAGE),
    '/typed': lambda ask: (200, {'Content-Type': 'text/html'}, b'data'),
    '/loop': lambda ask: (302, {'Location': '/loop'}, b''),
    '/leads': lambda ask: (302, {'Location': 'file:///etc/passwd'}, b''),
    '/no-place': lambda ask: (302, {}, b''),
    '/unasked': lambda ask: (
        206,
        {'Content-Range': 'bytes 4-9/10', 'Content-Length': '6'},
        b'456789',
    ),
    '/chunk': lambda ask: (200, {'Transfer-Encoding': 'chunked'}, b'5\r\nab'),
    '/whole': lambda ask: part(ask, 'bytes 0-9/10'),
    '/later': lambda ask: part(ask, 'bytes 5-9/10', '5'),
    '/short': lambda ask: part(ask, 'bytes 4-8/10', '5'),
    '/other': lambda ask: part(ask, 'bytes 4-9/20', '6'),
    '/bare': lambda ask: part(ask, None, '6'),
    '/torn': lambda ask: part(ask, 'bytes four-9', '6'),
    '/good': lambda ask: part(ask, 'bytes 4-9/10', '6'),
    '/data': lambda ask: (200, {'Content-Length': '4'}, b'data'),
    '/open': lambda ask: (200, {}, b'data'),
}


@pytest.fixture
def odd():
    service = ThreadingHTTPServer(('127.0.0.1', 0), Odd)
    service.asked = []
    threading.Thread(
        target=service.serve_forever, args=[0.01], daemon=True
    ).start()
    yield service, f'http://127.0.0.1:{service.server_port}'
    service.shutdown()
    service.server_close()


@pytest.mark.parametrize(
    ('path', 'text'),
    [
        ('/letters', "Content-Length is no number .got 'abc'"),
        ('/negative', 'Content-Length is no number'),
        ('/digits', 'Content-Length is no number'),
        ('/empty', 'it is empty'),
        ('/nothing', 'it is empty'),
        ('/page', 'it is a web page'),
        ('/typed', 'it is a web page'),
        ('/loop', 'infinite loop'),
        ('/leads', 'not allowed'),
        ('/no-place', '302'),
        ('/unasked', 'another part than was asked for'),
        ('/chunk', 'broke off after 2 bytes'),
        ('/whole', 'broke off after 4 of 10'),
        ('/later', 'broke off after 4 of 10'),
        ('/short', 'broke off after 4 of 10'),
        ('/other', 'broke off after 4 of 10'),
        ('/bare', 'broke off after 4 of 10'),
        ('/torn', 'broke off after 4 of 10'),
    ],
)
def test_odd_answers(odd, tmp_path, path, text):
    """One line, and no file; the next address is tried."""
    _, url = odd
    file = tmp_path / 'file'
    with pytest.raises(UsageError, match=text):
        download.fetch([url + path], file)
    assert not file.exists()
    download.fetch([url + path, url + '/data'], file)
    assert file.read_bytes() == b'data'
    assert [p.name for p in tmp_path.iterdir()] == ['file']


@pytest.mark.parametrize('path', ['/good', '/open'])
def test_good_answers(odd, tmp_path, path):
    _, url = odd
    download.fetch([url + path], tmp_path / 'file')
    assert (tmp_path / 'file').read_bytes() in (b'0123456789', b'data')


@pytest.mark.parametrize(
    'note',
    [
        '',
        '{"url": "htt',
        '[1]',
        'null',
        '{}',
        '{"url": "URL", "version": 3}',
        '{"url": "URL", "version": "a\\r\\nX: y"}',
        b'\xff\xfe',
    ],
)
def test_torn_notes_of_an_earlier_try(odd, tmp_path, note):
    """What a kill between opening and writing leaves: begun anew."""
    service, url = odd
    part, url = tmp_path / 'file.part', f'{url}/data'
    part.write_bytes(b'abc')
    if isinstance(note, str):
        note = note.replace('URL', url).encode()
    (tmp_path / 'file.part.from').write_bytes(note)
    download.fetch([url], tmp_path / 'file')
    assert (tmp_path / 'file').read_bytes() == b'data'
    assert service.asked == [('/data', None)]


@pytest.mark.parametrize(
    'url',
    [
        *('', 'foo/x', '/data', 'www.example.org/x', 'C:\\data\\x'),
        *('gopher://h/x', 'ftp://h/x', 'data:text/plain,x', 'http:', 'file:'),
        *('http://[::1/x', 'javascript:1'),
    ],
)
def test_addresses_that_are_none(tmp_path, url):
    with pytest.raises(UsageError, match='an address must have its scheme'):
        download.fetch([url], tmp_path / 'file')
    with pytest.raises(UsageError, match='an address must have its scheme'):
        download.check_address(url)


@pytest.mark.parametrize(
    'url',
    [
        'http://127.0.0.1:99999/x',
        'http://127.0.0.1:port/x',
        'http://a b/x',
        'http://\u2603.invalid\u2603/\u2603',
        f'http://{"a" * 70}.invalid/x',
        'http://127.0.0.1:1/a\nb',
        'file:///no/file',
        'file:///',
        'file://elsewhere.invalid/x',
    ],
)
def test_addresses_that_lead_nowhere(tmp_path, url):
    with pytest.raises(UsageError, match='cannot be downloaded') as info:
        download.fetch([url], tmp_path / 'file')
    assert not download.reachable(url)
    assert '\n' not in str(info.value).replace(url, '')


def test_a_server_that_hangs(odd, tmp_path, monkeypatch):
    """Between pieces, or by sending next to nothing."""
    _, url = odd
    stop = threading.Event()
    monkeypatch.setattr(download, 'TIMEOUT', 0.1)
    monkeypatch.setitem(
        ANSWERS, '/data', lambda ask: stop.wait(5) and (200, {}, b'')
    )
    with pytest.raises(UsageError, match='timed out'):
        download.fetch([url + '/data'], tmp_path / 'file')
    stop.set()
    monkeypatch.setattr(download, 'PATIENCE', 0.0)
    monkeypatch.setattr(download, 'SLOWEST', 1e12)
    with pytest.raises(UsageError, match='too slow: 4 bytes'):
        download.fetch([url + '/open'], tmp_path / 'file')


def test_another_file_than_was_meant_is_not_kept(odd, tmp_path):
    _, url = odd

    def check(part):
        if part.read_bytes() != b'0123456789':
            raise UsageError('it is another')

    file = tmp_path / 'file'
    with pytest.raises(UsageError, match='it is another'):
        download.fetch([f'{url}/data'], file, check)
    assert not file.exists()
    assert not (tmp_path / 'file.part').exists()
    download.fetch([f'{url}/data', f'{url}/good'], file, check)
    assert file.read_bytes() == b'0123456789'


def test_two_at_once(odd, tmp_path, monkeypatch):
    service, url = odd
    together = threading.Barrier(2, timeout=5)
    failed = []

    def get():
        together.wait()
        try:
            download.fetch([f'{url}/data'], tmp_path / 'file')
        except Exception as error:
            failed.append(error)

    threads = [threading.Thread(target=get) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not failed
    assert (tmp_path / 'file').read_bytes() == b'data'
    assert len(service.asked) == 1


def test_nowhere_to_write(odd, tmp_path):
    _, url = odd
    (tmp_path / 'folder').write_text('a file')
    with pytest.raises(UsageError, match='where nothing can be written'):
        download.fetch([f'{url}/data'], tmp_path / 'folder' / 'file')


def test_reading_names_the_file_in_one_line(tmp_path):
    file = tmp_path / 'file'
    for error in (ValueError('a\n\x1b[2J b'), MemoryError(), KeyError('x')):
        with pytest.raises(UsageError) as info, download.reading(file):
            raise error
        assert str(info.value).startswith(f'{file} cannot be read: ')
        assert str(info.value).isprintable()
    with pytest.raises(KeyboardInterrupt), download.reading(file):
        raise KeyboardInterrupt


@pytest.mark.parametrize('home', [None, '/proc/no', 'file'])
def test_without_a_home(home, tmp_path, monkeypatch):
    """The files of one user lie apart from those of others."""
    monkeypatch.delenv('XDG_CACHE_HOME')
    monkeypatch.setattr(folders.tempfile, 'tempdir', str(tmp_path))
    if home is None:
        monkeypatch.setattr(download.Path, 'home', fail)
    else:
        (tmp_path / 'file').touch()
        monkeypatch.setenv('HOME', str(tmp_path / home))
    with pytest.warns(UserWarning, match='XDG_CACHE_HOME names another'):
        folder = folders.cache_folder()
    assert folder.parent == tmp_path
    assert folder.stat().st_mode & 0o777 == 0o700
    folder.chmod(0o777)  # as another user might have made it
    with pytest.raises(UsageError, match='may be changed by other users'):
        folders.cache_folder()


def fail():
    raise RuntimeError('Could not determine home directory.')


@pytest.mark.parametrize(
    'root', ['file', 'dangling', 'loop', '~nobody_x/a', 'a\0b']
)
def test_roots_that_are_no_folders(root, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / 'file').touch()
    (tmp_path / 'dangling').symlink_to(tmp_path / 'nowhere')
    (tmp_path / 'loop').symlink_to(tmp_path / 'loop')
    with pytest.raises(UsageError, match='is no folder'):
        folders.find_root(root)
    if '\0' not in root:
        monkeypatch.setenv('PYG_EXT_DATA', root)
        with pytest.raises(UsageError, match='is no folder'):
            folders.find_root(None)
