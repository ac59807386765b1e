"""commit, cancel-commit, discard-changes and validate (RFC 6241 sections 8.3, 8.4 and 8.6)."""

from __future__ import annotations

import logging
from collections.abc import Iterable
from dataclasses import replace
from typing import Final

from lxml import etree

from cryptomap.datastore.confirm import DEFAULT_TIMEOUT, Confirm
from cryptomap.errors import InvalidValue, MissingElement, RpcError, UnknownElement
from cryptomap.netconf.messages import BASE
from cryptomap.operations.call import Call, Reply
from cryptomap.operations.edit import inline, source_of
from cryptomap.operations.parameters import Parameters
from cryptomap.schema.nodes import Leaf
from cryptomap.schema.types import TypeFault

__all__ = ["cancel_commit", "commit", "discard_changes", "validate"]

MESSAGE: Final = "{urn:cryptomap:yang:cryptomap-server}message"
_BAD_MESSAGE: Final = (("bad-element", "message"),)

log = logging.getLogger(__name__)


async def commit(call: Call) -> Reply:
    """Make the candidate running, for good or (``confirmed``) until it is confirmed in time. What the commit rules
    warn of is announced by the event of the commit; it is no part of the reply."""
    parameters = Parameters(call.element, "confirmed", "confirm-timeout", "persist", "persist-id", MESSAGE)
    origin = replace(call.origin, message=_message(call, parameters))
    confirm = _confirm(parameters)
    server = call.server
    persist_id = parameters.need_text("persist-id") if parameters.has("persist-id") else None
    await server.writer.run(server.datastores.commit, origin, confirm, persist_id)
    return None


def _message(call: Call, parameters: Parameters) -> str:
    """The remark of module cryptomap-server, as its type has it."""
    text = parameters.text("message")
    if text is None:
        return ""
    augmented = call.server.schema.operations[f"{{{BASE}}}commit"].input.by_tag.get(MESSAGE)
    if not isinstance(augmented, Leaf):
        raise UnknownElement("commit has no parameter message here", error_type="protocol", info=_BAD_MESSAGE)
    try:
        return augmented.type.parse(text)
    except TypeFault as fault:
        raise InvalidValue(f"message: {fault.message}", error_type="protocol", info=_BAD_MESSAGE) from fault


def _confirm(parameters: Parameters) -> Confirm | None:
    timeout = parameters.number("confirm-timeout", low=1)
    persist = parameters.need_text("persist") if parameters.has("persist") else None
    if parameters.has("confirmed"):
        return Confirm(float(timeout or DEFAULT_TIMEOUT), persist)
    if timeout is not None or persist is not None:
        message = "confirm-timeout and persist belong to a confirmed commit: add <confirmed/>"
        raise MissingElement(message, error_type="protocol", info=[("bad-element", "confirmed")])
    return None


async def cancel_commit(call: Call) -> Reply:
    """Return to the configuration before the confirmed commit that waits."""
    parameters = Parameters(call.element, "persist-id")
    persist_id = parameters.need_text("persist-id") if parameters.has("persist-id") else None
    await call.server.writer.run(call.server.datastores.cancel, call.origin, persist_id)
    return None


async def discard_changes(call: Call) -> Reply:
    """Make the candidate what running is."""
    Parameters(call.element)
    await call.server.writer.run(call.server.datastores.discard, call.origin)
    return None


async def validate(call: Call) -> Reply:
    """The constraints of the schema and the commit rules, on a datastore or a configuration inside the message."""
    source = await inline(call, Parameters(call.element, "source").place("source"))
    warnings = await call.server.writer.run(_validate, call, source)
    _log(call, warnings)
    return None


def _validate(call: Call, source: str | etree._Element) -> Iterable[RpcError]:
    server = call.server
    return server.datastores.validate(call.origin, source_of(server, source))


def _log(call: Call, warnings: Iterable[RpcError]) -> None:
    for warning in warnings:
        log.warning("%s validates: %s", call.session, warning)
