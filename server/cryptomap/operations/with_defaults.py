"""How replies show defaults (RFC 6243). The basic mode is *explicit*: what nobody set is not shown unless asked for."""

from __future__ import annotations

from typing import Final

from cryptomap.operations.parameters import Parameters

__all__ = ["BASIC_MODE", "MODES", "WITH_DEFAULTS", "mode_of", "shows_unset"]

BASIC_MODE: Final = "explicit"
MODES: Final = (BASIC_MODE, "report-all", "report-all-tagged", "trim")
WITH_DEFAULTS: Final = "{urn:ietf:params:xml:ns:yang:ietf-netconf-with-defaults}with-defaults"
"""The parameter's Clark name: it has a namespace of its own (section 4.5)."""


def mode_of(parameters: Parameters) -> str:
    """The mode a request asks for. Raises InvalidValue for one there is not."""
    return parameters.choice("with-defaults", MODES) or BASIC_MODE


def shows_unset(mode: str) -> bool:
    """Whether the mode shows defaults that nobody set."""
    return mode.startswith("report-all")
