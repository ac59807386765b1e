"""cryptomap-server, set-aside: data that this server's modules refused when it started, until it is acknowledged."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from cryptomap.data.build import Plain, build, date_and_time
from cryptomap.data.tree import Node, Value
from cryptomap.data.tree import Path as InstancePath
from cryptomap.data.view import Provider
from cryptomap.datastore import set_aside
from cryptomap.datastore.transaction import Origin
from cryptomap.errors import DataMissing, OperationFailed
from cryptomap.ipsec.gateway import Handler
from cryptomap.schema.nodes import InnerNode, Schema

__all__ = ["ShownSetAside"]

_STATE: Final = "/cryptomap-server:set-aside"
_MAX_REASONS: Final = 100


class ShownSetAside:
    """The files of one state directory. They are read once: only a start makes new ones."""

    def __init__(self, schema: Schema, directory: Path) -> None:
        container, entry = schema.find(_STATE), schema.find(f"{_STATE}/file")
        assert isinstance(container, InnerNode)
        assert isinstance(entry, InnerNode)
        [self._action] = entry.operations.values()
        self._container = container
        self._files = {file.path.name: file for file in set_aside.files(directory)}

    def providers(self) -> dict[str, Provider]:
        """The state by schema path."""
        return {_STATE: self._state}

    def handlers(self) -> dict[str, Handler]:
        """The action by schema path."""
        return {self._action.path: self._acknowledge}

    def _state(self, path: InstancePath) -> Value | None:
        files = [_shown(file) for file in self._files.values()]
        return build(self._container, {"file": files}) if files else None

    def _acknowledge(self, path: InstancePath, given: Node, origin: Origin) -> Node | None:
        name = str(path[-1][1])
        file = self._files.get(name)
        if file is None:
            raise DataMissing(f"there is no file {name} that waits to be acknowledged")
        try:
            set_aside.acknowledge(file)
        except FileNotFoundError:
            pass  # somebody has moved it away, which is as good
        except OSError as fault:
            raise OperationFailed(f"{file.path} cannot be renamed: {fault.strerror}") from fault
        self._files.pop(name, None)
        return None


def _shown(file: set_aside.SetAside) -> Plain:
    return {
        "name": file.path.name,
        "path": file.path,
        "time": date_and_time(file.time),
        "commit": file.commit,
        "items": len(file.reasons),
        "reason": list(dict.fromkeys(file.reasons))[:_MAX_REASONS],
    }
