import threading
from concurrent.futures import ThreadPoolExecutor

import pytest
import torch

from pyg_ext.utils.threads import workers


@pytest.fixture
def three():
    usual = torch.get_num_threads()
    torch.set_num_threads(3)
    yield
    torch.set_num_threads(usual)


def test_workers_compute_alone(three):
    """And nobody else does: not this thread, nor those that come later."""
    done = []
    together = threading.Barrier(2, timeout=60)

    def call(item):
        together.wait()  # fails unless two run at a time
        done.append((item, torch.get_num_threads(), threading.get_ident()))

    with workers(2) as do:
        assert torch.get_num_threads() == 3
        for _ in range(2):
            do(call, range(4))
        with ThreadPoolExecutor(1) as other:
            assert other.submit(torch.get_num_threads).result() == 3
    assert sorted(item for item, *_ in done) == sorted([*range(4)] * 2)
    assert {threads for _, threads, _ in done} == {1}
    assert threading.get_ident() not in {who for *_, who in done}
    assert torch.get_num_threads() == 3


def test_one_worker_is_this_thread(three):
    who = []
    with workers(1) as do:
        do(lambda _: who.append(threading.get_ident()), range(3))
    assert who == [threading.get_ident()] * 3


@pytest.mark.parametrize('threads', [1, 2])
@pytest.mark.parametrize('error', [ValueError, KeyboardInterrupt])
def test_errors_come_out(three, threads, error):
    def call(item):
        if item == 1:
            raise error('no')

    before = threading.active_count()
    with pytest.raises(error, match='no'), workers(threads) as do:
        do(call, range(3))
    assert torch.get_num_threads() == 3
    assert threading.active_count() == before


def test_hardly_any_work(three):
    """Threads that have just begun can end."""
    done = []
    for _ in range(300):
        with workers(3) as do:
            do(done.append, [1])
    assert len(done) == 300


def test_an_interruption_ahead_of_any_call(three):
    before = threading.active_count()
    with pytest.raises(KeyboardInterrupt), workers(2):
        raise KeyboardInterrupt
    assert threading.active_count() == before


def test_threads_that_cannot_start(three, monkeypatch):
    """Those that could are not left behind, waiting for the others."""
    begin, left = threading.Thread.start, [1]

    def start(self):
        if not left:
            raise RuntimeError("can't start new thread")
        left.pop()
        begin(self)

    monkeypatch.setattr(threading.Thread, 'start', start)
    before = threading.active_count()
    with pytest.raises(RuntimeError, match="can't start"), workers(2):
        raise AssertionError
    assert threading.active_count() == before
    assert torch.get_num_threads() == 3
