"""The event streams as state: RFC 5277 section 3.2.5, and RFC 8639 section 2.1."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Final

from cryptomap.data.build import Plain, build, date_and_time
from cryptomap.data.view import Provider
from cryptomap.operations.notifications.subscription import STREAM
from cryptomap.schema.nodes import InnerNode

if TYPE_CHECKING:
    from cryptomap.operations.server import Server

__all__ = ["providers"]

_DESCRIPTION: Final = "All notifications of all modules of this server."


def providers(server: Server) -> Mapping[str, Provider]:
    """The streams by schema path, for the modules that are there."""
    known = {"nc-notifications:netconf": _netconf, "ietf-subscribed-notifications:streams": _streams}
    found: dict[str, Provider] = {}
    for name, content in known.items():
        node = server.schema.root.by_qname.get(name)
        if isinstance(node, InnerNode):
            found[node.path] = lambda path, node=node, content=content: build(node, content(server))  # type: ignore[misc]
    return found


def _netconf(server: Server) -> Plain:
    replay = server.notifier.replay
    stream: Plain = {"name": STREAM, "description": _DESCRIPTION, "replaySupport": "true" if replay else "false"}
    if replay:
        aged = date_and_time(replay.aged) if replay.aged else None
        stream = {**stream, "replayLogCreationTime": date_and_time(replay.created), "replayLogAgedTime": aged}
    return {"streams": {"stream": [stream]}}


def _streams(server: Server) -> Plain:
    replay = server.notifier.replay
    stream: Plain = {"name": STREAM, "description": _DESCRIPTION}
    if replay:
        aged = date_and_time(replay.aged) if replay.aged else None
        times = {"replay-log-creation-time": date_and_time(replay.created), "replay-log-aged-time": aged}
        stream = {**stream, "replay-support": True, **times}
    return {"stream": [stream]}
