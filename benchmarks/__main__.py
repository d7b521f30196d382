import sys


def main(arguments: list[str] | None = None) -> int:
    """The command line, or what it lacks."""
    try:
        from .cli import main as run

        return run(arguments)
    except ModuleNotFoundError as error:
        name = error.name
        print(f'error: {name} is missing: pip install pyg-ext[benchmark]')
        return 2


if __name__ == '__main__':
    sys.exit(main())
