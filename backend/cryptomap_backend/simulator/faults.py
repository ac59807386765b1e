"""Faults on purpose, so that tests can see the server survive a backend that refuses, breaks, hangs or lies."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields

from cryptomap_backend.contract import ApplyFailed, OutcomeUnknown, Refused, Unavailable
from cryptomap_backend.load import SettingsFault

__all__ = ["FaultGate", "Faults", "Hang"]

VERBS = ("prepare", "apply", "revert", "reconcile", "observe", "capabilities", "health")
COMMANDS = ("apply", "revert", "reconcile")
LIES = ("missing", "unmarked")


class Hang(Exception):
    """The call must not be answered until somebody breaks it off. Never leaves the backend."""


@dataclass(frozen=True, slots=True)
class Faults:
    """What goes wrong, and how often (``times``, ``None`` = until changed; each fault that fires counts).

    refuse          prepare refuses with this text
    fail_step       apply fails at this step (from 0) and leaves nothing behind
    fail_revert     revert fails
    hang, lose      this verb is never answered / its connection is lost; the work is done first if ``after``
    disconnected    every call is answered Unavailable
    lie             observe() leaves out every tunnel ("missing") or shows every SA without DSCP ("unmarked")
    """

    refuse: str | None = None
    fail_step: int | None = None
    fail_revert: bool = False
    hang: str | None = None
    lose: str | None = None
    after: bool = False
    disconnected: bool = False
    lie: str | None = None
    times: int | None = None

    @classmethod
    def of(cls, settings: Mapping[str, object]) -> Faults:
        """From settings with the names above, ``-`` or ``_``. Raises SettingsFault for an unknown name or value."""
        values = {name.replace("-", "_"): value for name, value in settings.items()}
        unknown = values.keys() - {field.name for field in fields(cls)}
        if unknown:
            raise SettingsFault(f"unknown fault {', '.join(sorted(unknown))}")
        for name, kind in (("fail_step", int), ("times", int), ("refuse", str)):
            if not isinstance(values.get(name), (kind, type(None))):
                raise SettingsFault(f"fault {name} must be a {'number' if kind is int else 'text'}")
        faults = cls(**values)  # type: ignore[arg-type]
        for name, allowed in (("hang", VERBS), ("lose", VERBS), ("lie", LIES)):
            if getattr(faults, name) not in (None, *allowed):
                raise SettingsFault(f"fault {name} must be one of {', '.join(allowed)}")
        return faults


class FaultGate:
    """Asked by the world before, within and after each call."""

    def __init__(self, faults: Faults | None = None) -> None:
        self.faults = faults or Faults()
        self._fired = 0

    def set(self, faults: Faults) -> None:
        self.faults = faults
        self._fired = 0

    def before(self, verb: str) -> None:
        """Raises what the verb must end with before it does anything."""
        faults = self.faults
        if faults.disconnected and self._fires():
            raise Unavailable("the simulated backend is disconnected")
        if verb == "prepare" and faults.refuse is not None and self._fires():
            raise Refused(faults.refuse)
        if verb == "revert" and faults.fail_revert and self._fires():
            raise ApplyFailed("the simulated backend fails to revert")
        if not faults.after:
            self._break_off(verb)

    def step(self, number: int) -> None:
        """Raises if that step of an apply must fail."""
        if self.faults.fail_step == number and self._fires():
            raise ApplyFailed(f"simulated failure in step {number}")

    def after(self, verb: str) -> None:
        """Raises what the verb must end with although its work is done."""
        if self.faults.after:
            self._break_off(verb)

    def lie(self) -> str | None:
        return self.faults.lie if self.faults.lie and self._fires() else None

    def _break_off(self, verb: str) -> None:
        if self.faults.hang == verb and self._fires():
            raise Hang(verb)
        if self.faults.lose == verb and self._fires():
            text = f"the connection to the simulated backend was lost during {verb}"
            raise OutcomeUnknown(text) if verb in COMMANDS else Unavailable(text)

    def _fires(self) -> bool:
        if self.faults.times is not None and self._fired >= self.faults.times:
            return False
        self._fired += 1
        return True
