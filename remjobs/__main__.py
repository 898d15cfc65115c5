"""``python -m remjobs``."""

from remjobs.cli.main import main

if __name__ == "__main__":
    main()
