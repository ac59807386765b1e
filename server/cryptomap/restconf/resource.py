"""From a request's path to what it names (RFC 8040 section 3; RFC 8527 for ``ds``)."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum, auto

from cryptomap.data.tree import Path
from cryptomap.operations.nmda import datastores_of
from cryptomap.operations.server import Server
from cryptomap.restconf.faults import NotFound
from cryptomap.restconf.identifiers import parse_api_path
from cryptomap.restconf.site import ROOT
from cryptomap.schema.nodes import ListNode, Operation

__all__ = ["Kind", "Resource", "resource_of"]


class Kind(Enum):
    API = auto()
    DATA = auto()
    ACTION = auto()
    OPERATIONS = auto()
    OPERATION = auto()
    LIBRARY_VERSION = auto()
    STREAM = auto()


@dataclass(frozen=True, slots=True)
class Resource:
    """``path`` is the instance of DATA and ACTION (which then ends with the action). ``datastore`` is a name of RFC
    8342, or "" for the one that ``data`` stands for. ``operation`` is that of OPERATION, and ``name`` the rest of the
    path of STREAM."""

    kind: Kind
    path: Path = ()
    datastore: str = ""
    operation: Operation | None = None
    name: str = ""

    @property
    def is_configuration(self) -> bool:
        """Whether it is running's or the candidate's, and not state."""
        return self.kind is Kind.DATA and (not self.path or self.path[-1][0].config)


def resource_of(server: Server, path: str) -> Resource:
    """What a percent-encoded path names. Raises NotFound, InvalidValue."""
    head, _, rest = path.removeprefix(ROOT).strip("/").partition("/")
    match head:
        case "":
            return Resource(Kind.API)
        case "data":
            return _data(server, "", rest)
        case "ds":
            name, _, rest = rest.partition("/")
            return _data(server, _datastore(server, name), rest)
        case "operations":
            return _operation(server, rest) if rest else Resource(Kind.OPERATIONS)
        case "yang-library-version" if not rest:
            return Resource(Kind.LIBRARY_VERSION)
        case "streams":
            return Resource(Kind.STREAM, name=rest)
    raise NotFound(f"there is nothing at {path[:200]}", error_type="protocol")


def _data(server: Server, datastore: str, text: str) -> Resource:
    path = parse_api_path(server.schema, text)
    is_action = bool(path) and isinstance(path[-1][0], Operation)
    if is_action and len(path) > 1 and isinstance(path[-2][0], ListNode) and path[-2][1] is None:
        raise NotFound(f"{path[-1][0].name} is an action of one entry of {path[-2][0].name}", error_type="protocol")
    return Resource(Kind.ACTION if is_action else Kind.DATA, path, datastore)


def _datastore(server: Server, name: str) -> str:
    module, _, local = name.rpartition(":")
    if module != "ietf-datastores" or local not in datastores_of(server):
        raise NotFound(f"there is no datastore {name[:80]}", error_type="protocol")
    return local


def _operation(server: Server, name: str) -> Resource:
    found = next((item for item in server.schema.operations.values() if item.qname == name), None)
    if found is None:
        raise NotFound(f"there is no operation {name[:80]}", error_type="protocol")
    return Resource(Kind.OPERATION, operation=found)
