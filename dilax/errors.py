"""The errors a user can put right, and the one place that words them.

Every message is one sentence in one form: who speaks, what was received, the rule it breaks, and what to do.
"""

import difflib
from collections.abc import Iterable
from typing import Any


class DilaxError(Exception):
    """Anything that a user of dilax can put right; the command line prints it without a traceback."""


class ArgumentError(DilaxError, ValueError):
    """An argument has a value that the function cannot work with.

    Args:
        function: Name of the function or class that was called.
        argument: Name of the argument.
        value: What was received.
        rule: What is wrong with it, as the rest of a sentence.
        fix: What to do instead.
    """

    def __init__(self, function: str, argument: str, value: Any, rule: str, fix: str) -> None:
        super().__init__(f"{function}: {argument}={value!r} {rule}; {fix}.")


class ConfigError(DilaxError):
    """A field of a run's configuration has a value that no run can have.

    It is no ``ValueError``, which the parser of the command line would take for a word that it cannot read.

    Args:
        owner: Name of the class of the configuration.
        field: Name of the field.
        value: What was received.
        rule: What is wrong with it, as the rest of a sentence.
        fix: What to do instead.
    """

    def __init__(self, owner: str, field: str, value: Any, rule: str, fix: str) -> None:
        super().__init__(f"{owner}: {field}={value!r} {rule}; {fix}.")


class FileError(DilaxError):
    """A file or directory cannot be read or written as asked.

    Args:
        function: Name of the function or command that was called.
        path: The file or directory.
        rule: What is wrong with it, as the rest of a sentence.
        fix: What to do instead.
    """

    def __init__(self, function: str, path: Any, rule: str, fix: str) -> None:
        self.path, self.rule = str(path), rule
        super().__init__(f"{function}: {self.path!r} {rule}; {fix}.")


class BadSample(FileError):
    """A labelled image or volume cannot be used: unreadable, of two sizes, or with labels that have no class.

    Args:
        path: The file that is at fault.
        rule: What is wrong with it, as the rest of a sentence.
    """

    def __init__(self, path: Any, rule: str) -> None:
        super().__init__("read_example", path, rule, "repair or remove it, or pass bad_samples='skip'")


class CorruptCheckpoint(FileError):
    """A checkpoint file is damaged: truncated, inconsistent with itself, or changed after it was written."""


class UnsafeCheckpoint(FileError):
    """A checkpoint file asks for something that no checkpoint needs: code to run, or unbounded memory."""


class MismatchError(DilaxError):
    """A state_dict and a model do not belong together; the message lists every difference.

    Args:
        function: Name of the function that was called.
        summary: What does not agree, as a sentence without its full stop.
        problems: One line a difference.
        fix: What to do.
    """

    def __init__(self, function: str, summary: str, problems: Iterable[str], fix: str) -> None:
        self.problems = tuple(problems)
        lines = "".join(f"\n  {problem}" for problem in self.problems)
        super().__init__(f"{function}: {summary}; {fix}.{lines}")


class MissingDependency(DilaxError, ImportError):
    """An optional package is needed and absent.

    Args:
        function: Name of the function or command that needs it.
        package: The package to import.
        extra: The extra of dilax-nn that installs it.
    """

    def __init__(self, function: str, package: str, extra: str) -> None:
        self.package, self.extra = package, extra
        super().__init__(
            f"{function}: the package {package!r} is not installed; install it with pip install 'dilax-nn[{extra}]'."
        )


def similar(name: str, names: Iterable[str], *, most: int) -> list[str]:
    """Those of ``names`` that were perhaps meant, the likeliest first."""
    return difflib.get_close_matches(name, list(names), n=most)


def nearest(name: str, names: Iterable[str]) -> str:
    """Say which of ``names`` was probably meant: `` (did you mean 'x'?)``, or nothing."""
    found = similar(name, names, most=1)
    return f" (did you mean {found[0]!r}?)" if found else ""
