"""Runs as lines of a file."""

import json
import os
import re
import tempfile
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any, BinaryIO, Literal, NotRequired

from annotated_types import Interval
from filelock import FileLock
from pydantic import ConfigDict, TypeAdapter, ValidationError
from typing_extensions import TypedDict

from ..errors import UsageError, reason
from ..output import make_folder
from .identity import key

SCORES = ('test', 'val', 'train', 'test_at_best_loss', 'test_at_best_metric')
NUMBERS = (*SCORES, 'best_epoch', 'epochs', 'seconds', 'peak_mb')
LEVELS = 8  # of lists in lists in a configuration
# How a line of this program has it:
SEED = re.compile(rb'"seed": (-?\d{1,19}), "status": ')
ROW = '{"'  # how each begins
ROOM = 2**16  # bytes that a folder must have room for

Row = dict[str, Any]
Whole = Annotated[int, Interval(gt=-(2**63), lt=2**63)]


class Content(TypedDict):
    """What a run must have, and may have; other keys are its own."""

    __pydantic_config__ = ConfigDict(strict=True, allow_inf_nan=False)

    dataset: str
    method: str
    protocol: str
    preset: str
    depth: Annotated[int, Interval(ge=1, lt=2**31)]
    seed: Whole
    config: dict[str, Any]
    status: Literal['ok', 'failed']
    metric: NotRequired[str]
    direction: NotRequired[str]
    error: NotRequired[str]
    commit: NotRequired[str]
    device: NotRequired[str]
    code: NotRequired[str]
    by_depth: NotRequired[bool]
    data: NotRequired[str]
    versions: NotRequired[dict[str, str]]
    test: NotRequired[float]
    val: NotRequired[float]
    train: NotRequired[float]
    test_at_best_loss: NotRequired[float]
    test_at_best_metric: NotRequired[float]
    best_epoch: NotRequired[float]
    epochs: NotRequired[float]
    seconds: NotRequired[float]
    peak_mb: NotRequired[float | None]  # not all systems tell


CONTENT = TypeAdapter(Content)
WRONG = {  # by the kind of error
    'bool_type': 'is neither true nor false',
    'dict_type': 'is no dict',
    'float_type': 'is no finite number',
    'finite_number': 'is no finite number',
    'int_type': 'is no int',
    'literal_error': 'is neither ok nor failed',
    'string_type': 'is no str',
}


def fault(row: Any) -> str | None:
    """What keeps something from being a run, in words; none if nothing."""
    if not isinstance(row, dict):
        return 'is no JSON object'
    try:
        CONTENT.validate_python(row)
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        name, *inside = first['loc']
        if first['type'] == 'missing':
            return f'has no {name}'
        if name == 'versions' and inside:
            return 'has versions that are no texts'
        wrong = WRONG.get(first['type'], 'is out of range')
        return f'has a {name} that {wrong}'
    if _nests(row['config'], LEVELS):
        return 'has a config that is nested too deeply'
    if row['status'] == 'ok':
        for name in SCORES[:2]:
            if name not in row:
                return f'has no {name}'
    return None


def _nests(value: Any, levels: int) -> bool:
    """Whether lists and dictionaries lie in each other so many times."""
    if isinstance(value, dict):
        value = value.values()
    elif not isinstance(value, list):
        return False
    return levels == 0 or any(_nests(v, levels - 1) for v in value)


class Store:
    """Runs as JSON lines in a file, ``FOLDER/results.jsonl`` by default.

    A row is on the disk when :meth:`append` returns.
    Several processes may read and append at a time. To read neither writes
    nor locks anything, nor makes the folder. Both go on from where the last
    look at the file ended; a file that was replaced is read anew.

    Lines that are no runs are passed over with a warning; a file that has
    nothing else is refused. The last line may be torn, as a killed process
    leaves it: :meth:`append` cuts it off.
    """

    def __init__(self, folder: str | Path, name: str = 'results.jsonl'):
        self.folder = Path(folder)
        self.path = self.folder / name
        # One for all links to the file:
        self._lock = FileLock(f'{os.path.realpath(self.path)}.lock')
        self._forget()

    def read(self) -> list[Row]:
        """All runs, one for each key: of several the last, but no failed one
        in place of a good one. The rows are not to be changed.

        Raises:
            UsageError: If the file cannot be read, or is no store.
        """
        self._look()
        places = sorted(self._rows.values(), key=lambda place: place[0])
        return [row for _, row in places]

    def append(self, row: Row) -> bool:
        """Adds a run, unless a good run of the same key is there already.

        Raises:
            UsageError: If the row is no run, or cannot be written; the file
                is what it was.
        """
        line = json.dumps(row, sort_keys=True).encode() + b'\n'
        wrong = fault(row)
        if wrong is not None:
            raise UsageError(f'a run that {wrong} cannot be stored')
        with self._locked():
            self._look(row['seed'])
            there = self._rows.get(key(row))
            if there is not None and there[1]['status'] == 'ok':
                return False
            with self._writing():
                self._add(line)
            return True

    def ready(self) -> None:
        """Makes the folder, and finds out whether rows can be added.

        Raises:
            UsageError: If not.
        """
        with self._locked():
            self._look()
            with self._writing():
                if self.path.exists():
                    open(self.path, 'ab').close()
                with tempfile.TemporaryFile(dir=self.folder) as file:
                    file.write(bytes(ROOM))
                    file.flush()
                    os.fsync(file.fileno())

    @contextmanager
    def _writing(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            raise UsageError(
                f'{self.path} cannot be written: {reason(error)}'
            ) from error

    @contextmanager
    def _locked(self) -> Iterator[None]:
        make_folder(self.folder)
        try:
            self._lock.acquire(poll_interval=0.01)
        except (OSError, NotImplementedError) as error:
            raise UsageError(
                f'{self.folder} cannot be written: {reason(error)}'
            ) from error
        try:
            yield
        finally:
            self._lock.release()

    def _add(self, line: bytes) -> None:
        """Writes a line, all of it or nothing."""
        with open(self.path, 'ab', buffering=0) as file:
            if self._torn:
                file.truncate(self._end)
            elif self._tail:
                line = b'\n' + line
            before = os.fstat(file.fileno()).st_size
            try:
                rest = memoryview(line)
                while rest:
                    rest = rest[file.write(rest) :]
                os.fsync(file.fileno())
            except OSError:  # such as of a full disk
                file.truncate(before)
                raise

    def _forget(self) -> None:
        self._file: tuple | None = None  # which one it was
        self._end = self._lines = 0  # of what was read
        self._last = b''  # the line before that end
        self._tail, self._torn = b'', False  # what stands behind it
        self._unread: dict[int, list[tuple[int, bytes]]] = {}  # by seed
        self._rows: dict[tuple, tuple[int, Row]] = {}  # with their lines
        self._wrong: list[str] = []
        self._warned = -1  # of the tail at this place

    def _look(self, seed: int | None = None) -> None:
        """Takes in what was written since the last time: runs with this seed,
        or all.
        """
        known = len(self._wrong)
        try:
            if self.path.exists() and not self.path.is_file():
                raise UsageError(f'{self.path} is no file')
            with open(self.path, 'rb', buffering=2**20) as file:
                self._take_in(file)
        except FileNotFoundError:
            self._forget()
            return
        except NotADirectoryError as error:
            raise UsageError(f'{self.folder} is no folder') from error
        except OSError as error:
            raise UsageError(
                f'{self.path} cannot be read: {reason(error)}'
            ) from error
        for name in [*self._unread] if seed is None else [seed]:
            for number, line in self._unread.pop(name, ()):
                self._take(number, line)
        tail = self._look_at_tail()
        wrong = self._wrong + tail
        if wrong and not (self._rows or self._unread):
            raise UsageError(f'{self.path} is no store of runs: {wrong[0]}')
        new = self._wrong[known:]
        if self._warned != self._end:
            self._warned = self._end
            new += tail
            if self._torn:
                warnings.warn(
                    f'{self.path}: line {self._lines + 1} is torn, and its '
                    f'run will be done again',
                    stacklevel=3,
                )
        if new:
            more = f', and {len(new) - 3} more' if len(new) > 3 else ''
            warnings.warn(
                f'{self.path}: passed over what is no run: '
                f'{"; ".join(new[:3])}{more}',
                stacklevel=3,
            )

    def _take_in(self, file: BinaryIO) -> None:
        """Reads whole lines from where the last look ended, and the tail."""
        state = os.fstat(file.fileno())
        file.seek(max(0, self._end - len(self._last)))
        same = file.read(len(self._last)) == self._last
        if not same or self._file != (state.st_dev, state.st_ino):
            self._forget()
            self._file = (state.st_dev, state.st_ino)
            file.seek(0)
        self._tail = b''
        for line in file:
            if not line.endswith(b'\n'):
                self._tail = line
                break
            self._lines += 1
            self._end += len(line)
            self._last = line
            seed = SEED.search(line)
            if seed is None:
                self._take(self._lines, line)
            else:  # as this class writes it: most need not be parsed
                place = self._unread.setdefault(int(seed[1]), [])
                place.append((self._lines, line))

    def _look_at_tail(self) -> list[str]:
        """Keeps the run of a last line without an end, or says what is wrong
        with it; nothing if it is torn.
        """
        known = len(self._wrong)
        self._take(self._lines + 1, self._tail)
        wrong, self._wrong[known:] = self._wrong[known:], []
        self._torn = bool(wrong) and _is_torn(self._tail)
        return [] if self._torn else wrong

    def _take(self, number: int, line: bytes) -> None:
        """Keeps the run of a line, or what is wrong with it."""
        if not line.strip():
            return
        row, wrong = _parse(line)
        wrong = wrong or fault(row)
        if wrong is not None:
            text = line[:40].decode('ascii', 'backslashreplace').strip()
            self._wrong.append(f'line {number} {wrong}: {text}')
            return
        name = key(row)
        first, there = self._rows.get(name, (number, None))
        if there is None or row['status'] == 'ok' or there['status'] != 'ok':
            self._rows[name] = first, row


def _parse(line: bytes) -> tuple[Any, str | None]:
    """What a line holds, or what is wrong with it."""
    try:
        return json.loads(line.decode().removeprefix('\ufeff')), None
    except UnicodeDecodeError:
        return None, 'is no UTF-8 text'
    except RecursionError:
        return None, 'is nested too deeply'
    except ValueError:
        return None, 'is no JSON'


def _is_torn(tail: bytes) -> bool:
    """Whether a last line without an end is the beginning of a row, as
    :meth:`Store.append` writes it, perhaps with zeros that a power cut left.
    """
    text = tail.strip(b'\0').decode('latin1')
    if not ROW.startswith(text[: len(ROW)]):
        return False
    try:
        json.JSONDecoder().raw_decode(text)
    except (ValueError, RecursionError):
        return True
    return False  # a row, and something behind it
