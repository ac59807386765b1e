"""listeners of cryptomap-server: where the server waits for clients, as YANG state."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Final

from cryptomap.daemon.transports import OpenListener
from cryptomap.data.build import build
from cryptomap.data.tree import Path, Value
from cryptomap.data.view import Provider
from cryptomap.schema.nodes import InnerNode, Schema

__all__ = ["providers"]

_STATE: Final = "/cryptomap-server:listeners"


def providers(schema: Schema, listeners: Sequence[OpenListener]) -> Mapping[str, Provider]:
    """The state by schema path. ``listeners`` grows while the server starts."""
    container = schema.find(_STATE)
    assert isinstance(container, InnerNode)

    def state(path: Path) -> Value | None:
        return build(container, {"listener": [asdict(listener) for listener in listeners]}) if listeners else None

    return {_STATE: state}
