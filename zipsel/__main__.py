"""``python -m zipsel``: the same as the ``zipsel`` command."""

from zipsel.cli import main

if __name__ == "__main__":
    main()
