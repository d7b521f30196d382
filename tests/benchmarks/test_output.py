import ast
import io
from pathlib import Path

import pytest
from markdown_it import MarkdownIt

import benchmarks
from benchmarks.errors import UsageError
from benchmarks.output import (
    Screen,
    escaped,
    make_folder,
    replacing,
    shown,
    write_text,
)
from benchmarks.reports import tables

EVIL = [
    'x\n# Heading',
    '<script>alert(1)</script>',
    '\x1b[2J\x1b]0;owned\x07',
    'a | b\r\n|---|---|',
    '```\ncode',
    '![](http://host/x.png) [here](javascript:x)',
    '[a]: http://host\n[a][a]',
    '\u202egnp.exe \u2028 \ud800 \x9b31m',
    '&lt;b&gt; *b* _b_ __b__ ~~b~~ $x$ \\',
]


@pytest.mark.parametrize('text', EVIL)
def test_escaped_is_text_in_one_line(text):
    out = escaped(text)
    assert out.isprintable()
    page = MarkdownIt().enable('table').enable('strikethrough')
    blocks = page.parse(f'- run: {out}\n')
    (inline,) = (block for block in blocks if block.type == 'inline')
    kinds = {child.type for child in inline.children}
    assert kinds <= {'text', 'text_special'}
    assert ''.join(child.content for child in inline.children) == (
        f'run: {shown(text)}'
    )
    lines = tables.page(['a', 'b'], [[text, 1]])
    cells = [t for t in page.parse('\n'.join(lines)) if t.type == 'td_open']
    assert len(cells) == 2


@pytest.mark.parametrize(
    'text',
    [
        'hidden_channels=8, augment={',
        'k must be in [1, 4] (got 7): 2.13.0+cpu, 50.50 ± 0.71',
        '+3.00 [+2.10, -0.5]',
    ],
)
def test_common_texts_stay_what_they_are(text):
    assert escaped(text) == shown(text) == text


def test_screen_shows_what_is_printed(monkeypatch):
    out = io.StringIO()
    monkeypatch.setattr('sys.stdout', out)
    screen = Screen()
    screen.print('failed: \x1b[2J\x1b]0;owned\x07 [red]', style='red')
    assert out.getvalue() == ('failed: \\x1b[2J\\x1b]0;owned\\x07 [red]\n')


def test_long_texts_are_cut():
    assert shown('x' * 10**6) == 'x' * 2000 + ' ...'
    assert len(escaped('|' * 10**6)) < 5000


def test_a_link_stays_a_link(tmp_path):
    (tmp_path / 'there').mkdir()
    link, file = tmp_path / 'page.md', tmp_path / 'there' / 'page.md'
    link.symlink_to(file)
    for text in ('first', 'second'):
        write_text(link, text)
        assert link.is_symlink()
        assert file.read_text('utf-8') == text


def test_replacing_keeps_what_was(tmp_path):
    path = tmp_path / 'page.md'
    write_text(path, 'first ±')
    assert path.read_bytes() == 'first ±'.encode()

    def half(error):
        with replacing(path) as part:
            part.write_text('half')
            raise error

    with pytest.raises(ValueError, match='stop'):
        half(ValueError('stop'))
    with pytest.raises(UsageError, match=r'page\.md cannot be written: No s'):
        half(OSError(28, 'No space left on device'))
    assert [p.name for p in tmp_path.iterdir()] == ['page.md']
    assert path.read_text('utf-8') == 'first ±'
    with pytest.raises(UsageError, match=r'page\.md is no folder'):
        make_folder(path)
    with pytest.raises(UsageError, match='cannot be made: Not a directory'):
        make_folder(path / 'below')


def test_text_files_name_their_encoding():
    """Or they would depend on the locale."""
    bare = []
    for path in Path(benchmarks.__file__).parent.rglob('*.py'):
        for node in ast.walk(ast.parse(path.read_text('utf-8'))):
            if isinstance(node, ast.Call) and _bare(node):
                bare.append(f'{path.name}:{node.lineno}')
    assert not bare


def _bare(call):
    name = getattr(call.func, 'attr', getattr(call.func, 'id', ''))
    given = {word.arg for word in call.keywords}
    if name == 'read_text':
        return not (call.args or 'encoding' in given)
    if name == 'write_text':
        is_ours = isinstance(call.func, ast.Name)
        return not (is_ours or len(call.args) > 1 or 'encoding' in given)
    if isinstance(call.func, ast.Name) and name == 'open':
        binary = any("b'" in ast.unparse(mode) for mode in call.args[1:])
        return not (binary or 'encoding' in given)
    return name in ('run', 'Popen') and 'text' in given
