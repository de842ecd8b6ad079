"""``python -m musisep_cli``: the console script without an installation."""

from musisep_cli.cli.app import main

if __name__ == "__main__":
    main()
