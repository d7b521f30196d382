"""The tests, from the oldest to the newest versions that are supported.

``make test-versions`` runs all sessions, ``nox -s floor`` one of them. Each
needs its Python, and some gigabytes: PyTorch's own wheels bring CUDA along.
"""

import nox

# Python, PyTorch, PyG:
ENVIRONMENTS = {
    'floor': ('3.10', '2.4.1', '2.5.3'),
    'middle': ('3.12', '2.10.0', '2.7.0'),
    'newest': ('3.13', '2.15.0', '2.8.1'),
}
# What needs neither the extra `docs` nor Ray:
TESTS = [
    'tests/metrics',
    'tests/nn',
    'tests/transforms',
    'tests/utils',
    'tests/test_contract.py',
    'tests/test_interplay.py',
    'tests/benchmarks',
]

nox.options.default_venv_backend = 'venv'


def add(name: str, python: str, torch: str, pyg: str) -> None:
    """Makes a session of an environment."""

    @nox.session(name=name, python=python)
    def tests(session: nox.Session) -> None:
        session.install(f'torch=={torch}', f'torch_geometric=={pyg}')
        session.install('-e', '.[html,tune]', 'pytest>=9.0', 'psutil>=5.9')
        options = session.posargs or TESTS
        session.run('pytest', *options, env={'OMP_NUM_THREADS': '1'})


for name, versions in ENVIRONMENTS.items():
    add(name, *versions)


@nox.session(python='3.11')
def wheel(session: nox.Session) -> None:
    """Builds both distributions, checks them, and imports the wheel alone."""
    session.install('build', 'twine')
    folder = session.create_tmp()
    session.run('python', '-m', 'build', '--outdir', folder)
    files = [f'{folder}/pyg_ext-*.whl', f'{folder}/pyg_ext-*.tar.gz']
    session.run('sh', '-c', f'twine check --strict {" ".join(files)}')
    session.run('sh', '-c', f'python -m pip install {files[0]}')
    session.chdir(folder)
    session.run('python', '-c', 'import pyg_ext.nn, pyg_ext.metrics')
