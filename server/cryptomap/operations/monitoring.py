"""ietf-netconf-monitoring (RFC 6022): the state of the protocol itself, and get-schema."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from functools import cache, lru_cache
from itertools import product
from typing import TYPE_CHECKING, Final
from xml.sax.saxutils import escape

from cryptomap.data.build import Plain, build, date_and_time
from cryptomap.data.path import text_of
from cryptomap.data.tree import AnyValue, Node, Path, Value
from cryptomap.data.view import Provider
from cryptomap.datastore.partial_locks import PartialLock
from cryptomap.datastore.transaction import Origin
from cryptomap.errors import InvalidValue, OperationFailed
from cryptomap.operations.actions import Handler
from cryptomap.operations.sessions import Counters, Session
from cryptomap.schema.nodes import InnerNode, LeafList, Module, Schema
from cryptomap.schema.texts import FORMATS, text_in

if TYPE_CHECKING:
    from cryptomap.operations.server import Server

__all__ = ["handlers", "providers"]

_MODULE: Final = "ietf-netconf-monitoring"
_STATE: Final = f"/{_MODULE}:netconf-state"
_GET_SCHEMA: Final = f"/{_MODULE}:get-schema"
_FORMATS: Final = {name: f"{_MODULE}:{name}" for name in FORMATS}
_DECLARATION: Final = re.compile(r"^\s*<\?xml[^>]*\?>")
_CONVERTED: Final = 32  # texts in the format they were not read in that are kept


def providers(server: Server) -> Mapping[str, Provider]:
    """The state of the server by schema path; empty if the module is not there."""
    if not _is_served(server.schema):
        return {}
    schema = server.schema.find(_STATE)
    assert isinstance(schema, InnerNode)
    schemas = cache(lambda: build(_inner(schema, "schemas"), {"schema": list(_schemas(server.schema))}))

    def netconf_state(path: Path) -> Value:
        return build(
            schema,
            {
                "capabilities": {"capability": list(server.capabilities)},
                "datastores": {"datastore": [_datastore(server, name) for name in server.datastores.names]},
                "schemas": schemas(),
                "sessions": {"session": [_session(item) for item in server.sessions if item.is_established]},
                "statistics": _statistics(server),
            },
        )

    return {_STATE: netconf_state}


def handlers(server: Server) -> Mapping[str, Handler]:
    """get-schema, by its schema path; empty if the module is not there."""
    if not _is_served(server.schema):
        return {}

    converted = lru_cache(maxsize=_CONVERTED)(text_in)

    def get_schema(path: Path, given: Node, origin: Origin) -> Node:
        """On a thread of its own: making the other format of a large module takes a second."""
        wanted = (given.text("format") or _FORMATS["yang"]).rpartition(":")[2]
        if wanted not in FORMATS:
            raise _not_there(f"schemas are available in the formats {' and '.join(FORMATS)}", "format")
        module = _module_for(server.schema, given)
        return _in_reply(server.schema, converted(server.schema, module, wanted), wanted)

    return {_GET_SCHEMA: get_schema}


def _is_served(schema: Schema) -> bool:
    module = schema.modules.get(_MODULE)
    return module is not None and module.implemented


def _inner(node: InnerNode, name: str) -> InnerNode:
    child = node.child(name)
    assert isinstance(child, InnerNode)
    return child


# ===== get-schema =====


def _module_for(schema: Schema, given: Node) -> Module:
    """The module or submodule that is asked for (section 3.1)."""
    identifier, version = given.text("identifier") or "", given.text("version")
    found = [module for module in schema.modules.values() if module.name == identifier]
    if version:
        found = [module for module in found if module.revision == version]
    if not found:
        wanted = f"{identifier}@{version}" if version else identifier
        raise _not_there(f"there is no schema {wanted}; netconf-state/schemas lists those there are", "identifier")
    if len(found) > 1:
        message = f"there are several versions of {identifier}: name one of {', '.join(m.revision for m in found)}"
        raise OperationFailed(message, app_tag="data-not-unique")
    return found[0]


def _in_reply(schema: Schema, text: str, kind: str) -> Node:
    """YANG is text, YIN is XML and stands in the reply as such (section 4.2)."""
    operation = schema.operations[f"{{{schema.namespace_of_module[_MODULE]}}}get-schema"]
    content = escape(text) if kind == "yang" else _DECLARATION.sub("", text)
    element = f'<data xmlns="{schema.namespace_of_module[_MODULE]}">{content}</data>'
    return build(operation.output, {"data": AnyValue(element.encode())})


def _not_there(message: str, parameter: str) -> InvalidValue:
    return InvalidValue(message, info=[("bad-element", parameter)])


# ===== netconf-state =====


def _schemas(schema: Schema) -> Iterator[Plain]:
    for module, name in product(schema.modules.values(), FORMATS):
        yield {
            "identifier": module.name,
            "version": module.revision,
            "format": _FORMATS[name],
            "namespace": module.namespace or _namespace_of_owner(schema, module),
            "location": ["NETCONF"],
        }


def _namespace_of_owner(schema: Schema, module: Module) -> str:
    return schema.modules[module.belongs_to].namespace if module.belongs_to else ""


def _datastore(server: Server, name: str) -> Plain:
    lock = server.datastores.guard.locks.holder(name)
    if lock is not None:
        held = {"locked-by-session": lock.session_id, "locked-time": date_and_time(lock.time)}
        return {"name": name, "locks": {"global-lock": held}}
    parts = [_part(server.schema, part) for part in server.datastores.guard.partial_locks] if name == "running" else []
    return {"name": name, "locks": {"partial-lock": parts}} if parts else {"name": name}


def _part(schema: Schema, lock: PartialLock) -> Plain:
    leaf_list = schema.find(f"{_STATE}/datastores/datastore/locks/partial-lock/locked-node")
    assert isinstance(leaf_list, LeafList)
    return {
        "lock-id": lock.id,
        "locked-by-session": lock.session_id,
        "locked-time": date_and_time(lock.time),
        "select": list(lock.select),
        "locked-node": [leaf_list.type.parse(text_of(path)) for path in lock.nodes],
    }


def _session(session: Session) -> Plain:
    return {
        "session-id": session.id,
        "transport": f"{_MODULE}:{session.transport}",
        "username": session.user,
        "source-host": session.address or None,
        "login-time": date_and_time(session.login_time),
        **_common(session.counters),
    }


def _statistics(server: Server) -> Plain:
    totals = server.sessions.statistics
    return {
        "netconf-start-time": date_and_time(server.start_time),
        "in-bad-hellos": totals.in_bad_hellos,
        "in-sessions": totals.in_sessions,
        "dropped-sessions": totals.dropped_sessions,
        **_common(totals),
    }


def _common(counters: Counters) -> Plain:
    return {
        "in-rpcs": counters.in_rpcs,
        "in-bad-rpcs": counters.in_bad_rpcs,
        "out-rpc-errors": counters.out_rpc_errors,
        "out-notifications": counters.out_notifications,
    }
