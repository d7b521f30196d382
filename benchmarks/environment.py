"""What a run is made on: devices, versions, the commit, memory."""

import os
import platform
import subprocess
import sys
from functools import cache
from pathlib import Path
from typing import Any

import torch
import torch_geometric

import pyg_ext

from .errors import UsageError, reason

try:
    import resource
except ImportError:  # as on Windows
    resource = None

VERSION = f'pyg_ext {pyg_ext.__version__}'


def check_device(device: str) -> None:
    """Raises an error if there is no such device on this machine."""
    device, many = pick_device(device), torch.cuda.device_count()
    try:
        if device.startswith('cuda') and not many:
            raise RuntimeError('PyTorch finds no GPU here')
        if device.startswith('cuda:') and int(device[5:]) >= many:
            raise RuntimeError(f'of the GPUs here, the last is {many - 1}')
        torch.zeros(1, device=device)
    except (AssertionError, RuntimeError, ValueError) as error:
        raise UsageError(
            f'device {device!r} cannot be used: {reason(error)}'
        ) from error


def pick_device(device: str) -> str:
    """Replaces ``auto`` by CUDA where there is one, else the CPU."""
    if device != 'auto':
        return device
    return 'cuda' if torch.cuda.is_available() else 'cpu'


def device_name(device: str, threads: int = 1) -> str:
    """What the run was measured on, in words."""
    if device.startswith('cuda'):
        return torch.cuda.get_device_name(device)
    cpu = platform.processor() or platform.machine()
    info = Path('/proc/cpuinfo')
    if info.exists():
        models = [
            line.partition(':')[2].strip()
            for line in info.read_text('utf-8', 'replace').splitlines()
            if line.startswith('model name')
        ]
        cpu = models[0] if models else cpu
    return f'{cpu}, {threads} thread{"s" * (threads > 1)}'


def stamp() -> dict[str, Any]:
    """What a row says of the programs that made it."""
    return {'commit': commit(), 'versions': versions()}


@cache
def commit() -> str:
    """The commit of this checkout, marked where files differ from it; the
    version where this is no checkout, whatever repository is around it.
    """
    here = Path(__file__).resolve()
    git = ['git', '-C', str(here.parent)]
    try:
        top = _output([*git, 'rev-parse', '--show-toplevel'])
        if Path(top) != here.parents[1]:
            return VERSION
        _output([*git, 'ls-files', '--error-unmatch', here.name])
        head = _output([*git, 'rev-parse', '--short=12', 'HEAD'])
        dirty = _output([*git, 'status', '--porcelain', '-uno'])
    except (OSError, subprocess.CalledProcessError):
        return VERSION
    return f'{head}-dirty' if dirty else head


def _output(command: list[str]) -> str:
    done = subprocess.run(command, capture_output=True, check=True)
    return done.stdout.decode(errors='replace').strip()


def versions() -> dict[str, str]:
    """The versions that a result may depend on."""
    return {
        'python': platform.python_version(),
        'torch': torch.__version__,
        'torch_geometric': torch_geometric.__version__,
        'pyg_ext': pyg_ext.__version__,
    }


def cores() -> int:
    """How many cores this process may use."""
    if hasattr(os, 'sched_getaffinity'):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def peak_mb(device: torch.device | str = 'cpu') -> float | None:
    """Peak memory: of the device, or of this process with its libraries,
    where the system tells.
    """
    device = torch.device(device)
    if device.type == 'cuda':
        return torch.cuda.max_memory_allocated(device) / 2**20
    if resource is None:
        return None
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak / (2**20 if sys.platform == 'darwin' else 2**10)
