import itertools

import pytest

from benchmarks.runs.expected import Seconds
from benchmarks.runs.processes import processes
from benchmarks.runs.progress import OFTEN, SHARE, Watch, show


class Clock:
    now = 0.0

    def __call__(self):
        return self.now


def done(row, cell, seconds=1.0, **changes):
    """The row of a run that is done."""
    return {**row(), **cell.row(), 'seconds': seconds, **changes}


def test_expected_seconds(row, cell):
    seconds = Seconds()
    assert seconds.of(cell('gcn', 2)) is None
    for depth, took in ((2, 3.0), (2, 5.0)):
        seconds.add(done(row, cell('gcn', depth), took))
    seconds.add(done(row, cell('gcn', 4), 99.0, status='failed'))
    assert seconds.of(cell('gcn', 2)) == pytest.approx(4)
    assert seconds.of(cell('gcn', 8)) == pytest.approx(16)
    assert seconds.of(cell('appnp', 2)) == pytest.approx(4)
    seconds.add(done(row, cell('gcn', 10), 12.0))
    assert seconds.of(cell('gcn', 32)) == pytest.approx(34)
    assert seconds.of(cell('gcn', 1)) == pytest.approx(4)  # none is shorter
    seconds.add(done(row, cell('sgc', 10), 2.0))
    assert seconds.of(cell('appnp', 10)) == pytest.approx(7)


def test_time_left_of_two_workers(row, cell):
    clock = Clock()
    cells = [cell('gcn', depth, seed) for seed in (0, 1) for depth in (2, 4)]
    watch = Watch(cells, [], clock=clock)
    assert watch.state().seconds_left is None
    for start in cells[:2]:
        watch.start(start)
    assert watch.state().running == tuple(cells[:2])
    clock.now = 10.0
    watch.end(done(row, cells[0], 10.0))
    watch.start(cells[2])
    # Of 20 seconds of the second run, and of 10 and 20, 10 are done; two at
    # a time:
    state = watch.state()
    assert state.seconds_left == pytest.approx((10 + 10 + 20) / 2)
    assert (state.total, state.done, state.failed) == (4, 1, 0)
    assert state.running == (cells[1], cells[2])
    clock.now = 20.0
    watch.end(done(row, cells[1], 20.0))
    watch.end(done(row, cells[2], 10.0, status='failed', error='x'))
    state = watch.state()
    assert (state.done, state.failed, state.running) == (3, 1, ())
    watch.end(done(row, cells[3], 20.0))
    assert watch.state().seconds_left == 0


def test_stored_runs_tell_how_long_it_takes(row, cell):
    clock = Clock()
    stored = [done(row, cell(seed=0), 8.0)]
    watch = Watch([cell(seed=0), cell(seed=1)], stored, clock=clock)
    watch.start(cell(seed=1))
    clock.now = 2.0
    assert watch.state().seconds_left == pytest.approx(6)


def test_a_listener_hears_at_the_start_and_not_too_often(row, cell):
    clock, heard = Clock(), []

    def listen(rows, state):
        heard.append((clock.now, len(rows), state and state.done))
        clock.now += took

    took = 0.0
    cells = [cell(seed=seed) for seed in range(40)]
    watch = Watch(cells, [], listen, clock)
    assert heard == []
    for each in cells[:20]:
        watch.start(each)
        clock.now += 1.0
        watch.end(done(row, each))
    assert heard[0] == (0, 0, 0)
    gaps = [b[0] - a[0] for a, b in itertools.pairwise(heard)]
    assert gaps == [OFTEN] * len(gaps)
    assert len(gaps) >= 3
    took = 1.0  # of which it must not take more than its share
    heard.clear()
    for each in cells[20:]:
        watch.start(each)
        clock.now += 2.0
        watch.end(done(row, each))
    assert heard[1][0] - heard[0][0] >= SHARE * took
    watch.stop()
    assert heard[-1][1:] == (40, None)


@pytest.mark.parametrize('jobs', [0, 2])
def test_what_runs_now(cell, jobs):
    cells = [cell(seed=seed) for seed in range(5)]
    running, most, begun = [], 0, []
    for one, result in processes(work, cells, jobs, 'cpu'):
        if result is None:
            running.append(one)
            begun.append(one)
        else:
            running.remove(one)
        most = max(most, len(running))
    assert begun == cells
    assert running == []
    assert 1 <= most <= max(jobs, 1)


def work(cell):
    return {'test': cell.seed}


def test_lines_of_a_screen_that_is_none(row, cell, capsys):
    cells = [cell('gcn', 2, seed) for seed in (0, 1, 2)]
    hostile = '\x1b[31m[bold]x'
    rows = [
        done(row, cells[1]),
        done(row, cells[2], status='failed', error=hostile),
    ]
    watch = Watch(cells, [done(row, cells[0])])
    show(rows, watch)
    out = capsys.readouterr().out
    first, *lines = out.splitlines()
    assert first == '1 of 3 runs are in the store'
    assert lines[0].startswith(
        'gcn depth 2 seed 1: test 50.00 (mean 50.00 of 2)'
    )
    assert lines[1].startswith('gcn depth 2 seed 2: failed: ')
    assert '[bold]x' in lines[1]
    assert '\x1b' not in out


def test_means_are_of_one_configuration(row, cell, capsys):
    """Trials of a search differ in their recipes alone."""
    cells = [cell(seed=seed, lr=lr) for lr in (0.1, 0.2) for seed in (0, 1)]
    tests = 0.1, 0.3, 0.5, 0.7
    rows = [done(row, c, test=t) for c, t in zip(cells, tests, strict=True)]
    show(rows[1:], Watch(cells, rows[:1]))
    lines = capsys.readouterr().out.splitlines()
    told = [line for line in lines if 'mean' in line]
    for line, mean in zip(
        told, ('20.00 of 2', '50.00 of 1', '60.00 of 2'), strict=True
    ):
        assert f'(mean {mean})' in line
