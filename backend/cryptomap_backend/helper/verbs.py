"""The fixed list of what the helper does, with the types of arguments and answers: those of the Kernel protocol."""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, get_type_hints

from cryptomap_backend.contract import ApplyFailed, BackendError, OutcomeUnknown, Unavailable
from cryptomap_backend.linux.kernel import Kernel

__all__ = ["CHANGING", "ERRORS", "LONGEST", "VERBS", "Verb"]

READING = ("versions", "algorithms", "sas", "find_sas", "policies", "program_digest", "egress")
CHANGING = ("transact", "load_program", "remove_program", "set_egress")

LONGEST = 256 << 20
"""Bytes of a request with its line end: ten thousand maps take some 20 MiB."""

ERRORS: Mapping[str, type[BackendError]] = {
    error.__name__: error for error in (ApplyFailed, Unavailable, OutcomeUnknown)
}


@dataclass(frozen=True, slots=True)
class Verb:
    """The types of the arguments, by name in order, and of the answer."""

    arguments: Mapping[str, Any]
    answer: Any


def _verb(name: str) -> Verb:
    method = getattr(Kernel, name)
    hints = get_type_hints(method)
    names = [parameter for parameter in inspect.signature(method).parameters if parameter != "self"]
    return Verb({parameter: hints[parameter] for parameter in names}, hints["return"])


VERBS: Mapping[str, Verb] = {name: _verb(name) for name in (*READING, *CHANGING)}
