"""What happens to labelled images and volumes that cannot be used."""

import logging
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from types import MappingProxyType

from ..errors import ArgumentError, BadSample, FileError

#: What may be done with a bad sample.
POLICIES = ("raise", "skip")

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Failure:
    """Why a sample cannot be used; unlike an exception it travels from one process to another.

    Args:
        name: The sample.
        path: The file that is at fault.
        rule: What is wrong with it, as the rest of a sentence.
    """

    name: str
    path: str
    rule: str


class BadSamples:
    """Raises the errors of bad samples, or counts them up to a limit.

    Each is counted once, however often it is met, since this process began.

    Args:
        policy: ``"raise"`` or ``"skip"``.
        limit: Samples that may be skipped.

    Raises:
        ArgumentError: The policy is unknown or the limit is negative.
    """

    def __init__(self, policy: str, limit: int) -> None:
        if policy not in POLICIES:
            raise ArgumentError(
                "load_source", "bad_samples", policy, "is no way to treat bad samples", "pass 'raise' or 'skip'"
            )
        if limit < 0:
            raise ArgumentError("load_source", "skip_limit", limit, "is negative", "pass 0 or more")
        self.policy, self.limit = policy, limit
        self._skipped: dict[str, str] = {}

    @property
    def skipped(self) -> Mapping[str, str]:
        """The samples that were skipped, and why."""
        return MappingProxyType(self._skipped)

    def handle(self, failures: Iterable[Failure]) -> None:
        """Raise the first failure, or log and count each that is new.

        Raises:
            BadSample: The policy is to raise.
            FileError: There are more than may be skipped.
        """
        for failure in failures:
            if failure.name in self._skipped:
                continue
            if self.policy == "raise":
                raise BadSample(failure.path, failure.rule)
            self._skipped[failure.name] = f"{failure.path} {failure.rule}"
            _log.warning("skipped %s: %s %s", failure.name, failure.path, failure.rule)
            if len(self._skipped) > self.limit:
                raise FileError(
                    "load_source", failure.name,
                    f"is one bad sample more than the {self.limit} that may be skipped",
                    "repair the samples that the log names, or raise skip_limit",
                )  # fmt: skip
