"""The steps of everything that changes what the server keeps, so that a test can end it at each one.

A step is told to an :data:`Observer` once it is done. All there are stand here: a test that goes through
:func:`registered` meets a new one by itself, and fails if nothing ever reaches it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from enum import StrEnum
from typing import TypeAlias

__all__ = ["Deed", "Observer", "Step", "registered", "silent"]

Observer: TypeAlias = Callable[[str], None]
"""Told the name of each step once it is done. Must not raise; crash tests inject one that kills the process."""


def silent(_step: str) -> None:
    """The observer that does nothing."""


class Step(StrEnum):
    """What is done without a participant. The value is the name that is told."""

    # a commit
    BEGUN = "begun"
    VALIDATED = "validated"
    CHECKED = "checked"
    INSERTED = "journal inserted"
    NOTED = "journal noted"  # the facts; the COMMIT comes next
    PUBLISHED = "published"
    SETTLED = "journal settled"  # the doubt after a COMMIT that failed
    STORED = "journal stored"  # something apart from a commit: a deadline, facts, the startup datastore
    # a confirmed commit
    ARMED = "confirmed commit armed"
    CONFIRMED = "confirmed commit confirmed"
    REVERTING = "confirmed commit is rolled back"
    REVERTED = "confirmed commit rolled back"
    # a checkpoint
    CHECKPOINT_OPENED = "checkpoint opened"
    CHECKPOINT_WRITTEN = "checkpoint written"
    CHECKPOINT_SYNCED = "checkpoint synced"
    CHECKPOINT_PUBLISHED = "checkpoint published"
    CHECKPOINTS_PRUNED = "checkpoints pruned"
    LOG_FOLDED = "log folded"
    # a recovery
    OPENED = "journal opened"
    REBUILT = "rebuilt"
    RECOVERED = "recovered"
    WAITING_RECOVERED = "confirmed commit recovered"
    STARTUP_RECOVERED = "startup recovered"
    STARTED = "started"


class Deed(StrEnum):
    """What a participant has done; told with its name behind it."""

    PREPARED = "prepared"
    APPLIED = "applied"
    ABORTED = "aborted"
    REVERTED = "reverted"
    RECONCILED = "reconciled"

    def by(self, participant: str) -> str:
        return f"{self} {participant}"


def registered(participants: Iterable[str], last: str) -> tuple[str, ...]:
    """The names of all steps there are with these participants, in no particular order. ``last`` is the journal, which
    is neither aborted by a crash test nor ever reverted or reconciled."""
    names = [step.value for step in Step]
    names += [deed.by(participant) for participant in participants for deed in Deed]
    return (*names, Deed.PREPARED.by(last), Deed.APPLIED.by(last), Deed.ABORTED.by(last))
