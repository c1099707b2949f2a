"""The ``dilax`` command: one file a subcommand."""

from .app import main as main
