"""``python -m dilax`` is the ``dilax`` command."""

from .cli import main

if __name__ == "__main__":
    raise SystemExit(main())
