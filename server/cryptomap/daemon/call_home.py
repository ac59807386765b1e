"""cryptomap-call-home: whom the server calls (RFC 8071), and how each attempt went, as YANG state."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Final

from cryptomap.data.build import Plain, build, date_and_time
from cryptomap.data.tree import Path, Value
from cryptomap.data.view import Provider
from cryptomap.schema.nodes import InnerNode, Schema
from cryptomap.transport.callhome import CallHomeState, EndpointState

__all__ = ["providers"]

_STATE: Final = "/cryptomap-call-home:call-home"


def providers(schema: Schema, states: Callable[[], Iterable[CallHomeState]]) -> Mapping[str, Provider]:
    """The state by schema path."""
    container = schema.find(_STATE)
    assert isinstance(container, InnerNode)

    def call_home(path: Path) -> Value | None:
        managers = [_manager(state) for state in states()]
        return build(container, {"manager": managers}) if managers else None

    return {_STATE: call_home}


def _manager(state: CallHomeState) -> Plain:
    return {
        "name": state.name,
        "transport": state.transport,
        "status": state.phase,
        "address": state.current.host,
        "port": state.current.port,
        "username": state.user or None,
        "next-attempt": _time(state.next_attempt),
        "endpoint": [_endpoint(endpoint) for endpoint in state.endpoints],
    }


def _endpoint(state: EndpointState) -> Plain:
    return {
        "address": state.endpoint.host,
        "port": state.endpoint.port,
        "attempts": state.attempts,
        "failures": state.failures,
        "last-attempt": _time(state.last_attempt),
        "last-connected": _time(state.last_connected),
        "last-error": state.last_error or None,
    }


def _time(seconds: float | None) -> str | None:
    return None if seconds is None else date_and_time(seconds)
