import sys


def main() -> int:
    """The command line, or what it lacks."""
    try:
        from .cli import main as run

        return run()
    except ModuleNotFoundError as error:
        name = error.name
        print(f'error: {name} is missing: pip install pyg-ext[benchmark]')
        return 2


if __name__ == '__main__':
    sys.exit(main())
