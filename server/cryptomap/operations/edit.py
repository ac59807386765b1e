"""edit-config, copy-config and delete-config (RFC 6241 sections 7.2 to 7.4)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from lxml import etree

from cryptomap.data.tree import Node
from cryptomap.data.xml import read_config
from cryptomap.errors import InvalidValue, MissingElement, OperationNotSupported
from cryptomap.operations.call import Call, Reply
from cryptomap.operations.parameters import Parameters

if TYPE_CHECKING:
    from cryptomap.operations.server import Server

__all__ = ["copy_config", "delete_config", "edit_config", "source_of"]

_DEFAULT_OPERATIONS: Final = ("merge", "replace", "none")
_TEST_OPTIONS: Final = ("test-then-set", "set", "test-only")
_ERROR_OPTIONS: Final = ("stop-on-error", "continue-on-error", "rollback-on-error")


async def edit_config(call: Call) -> Reply:
    """All faults of the edit are reported at once. A test-option that is not given is ``set``: the constraints of a
    candidate are checked when it is validated or committed (RFC 7950 section 8.3.3), unless the client asks for it."""
    parameters = Parameters(call.element, "target", "default-operation", "test-option", "error-option", "config", "url")
    target = parameters.datastore("target")
    await call.server.writer.run(
        call.server.datastores.edit,
        call.origin,
        target,
        _config(parameters),
        default_operation=parameters.choice("default-operation", _DEFAULT_OPERATIONS) or "merge",
        error_option=parameters.choice("error-option", _ERROR_OPTIONS) or "stop-on-error",
        test_option=parameters.choice("test-option", _TEST_OPTIONS) or "set",
    )
    return None


async def copy_config(call: Call) -> Reply:
    """The whole target becomes the source: a datastore, or a configuration inside the message."""
    parameters = Parameters(call.element, "target", "source")
    target = parameters.datastore("target")
    source = parameters.datastore_or_config("source")
    if source == target:
        raise InvalidValue(f"source and target are both {target}", error_type="protocol")
    await call.server.writer.run(_copy, call, target, source)
    return None


def _copy(call: Call, target: str, source: str | etree._Element) -> None:
    server = call.server
    server.datastores.copy(call.origin, target, source_of(server, source))


def source_of(server: Server, source: str | etree._Element) -> str | Node:
    """A source parameter as the datastores take it: a name, or the tree of a configuration inside the message."""
    return source if isinstance(source, str) else read_config(server.schema, source, server.seal)


async def delete_config(call: Call) -> Reply:
    """Running and candidate cannot be deleted."""
    target = Parameters(call.element, "target").datastore("target")
    if target != "startup":
        raise InvalidValue(f"{target} cannot be deleted", error_type="protocol", info=[("bad-element", target)])
    await call.server.writer.run(call.server.datastores.delete, call.origin, target)
    return None


def _config(parameters: Parameters) -> etree._Element:
    if parameters.has("url"):
        message = "a url is not supported: the capability :url is not announced"
        raise OperationNotSupported(message, error_type="protocol", info=[("bad-element", "url")])
    config = parameters.get("config")
    if config is None:
        raise MissingElement(
            "edit-config needs the parameter config", error_type="protocol", info=[("bad-element", "config")]
        )
    return config
