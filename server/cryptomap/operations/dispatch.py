"""From an operation's element to what answers it; the one place where errors become rpc-errors."""

from __future__ import annotations

import logging
import time

from lxml import etree

from cryptomap.errors import OperationFailed, OperationNotSupported, RpcError, RpcErrors
from cryptomap.netconf.messages import BASE
from cryptomap.operations import actions
from cryptomap.operations.aside import begun
from cryptomap.operations.audited import UNRECORDED, deed_of
from cryptomap.operations.call import Call, Operation, Reply
from cryptomap.operations.parameters import local_name
from cryptomap.operations.redact import redacted
from cryptomap.operations.registry import OPERATIONS

__all__ = ["perform"]

log = logging.getLogger(__name__)


async def perform(call: Call) -> Reply:
    """Perform an operation and have it recorded and counted. Raises RpcErrors and nothing else."""
    began, tag = time.perf_counter(), ""
    try:
        reply = await _performed(call)
    except RpcErrors as faults:
        tag = faults.errors[0].tag
        call.server.witness(deed_of(call, faults))
        raise
    finally:
        call.server.performed(_known_name(call), time.perf_counter() - began, tag)
    if local_name(call.element) not in UNRECORDED:
        call.server.witness(deed_of(call))
    return reply


def _known_name(call: Call) -> str:
    """The name of an operation there is: nobody else's words go into names of metrics."""
    tag = call.element.tag
    return local_name(call.element) if tag in OPERATIONS or tag in call.server.schema.operations else "unknown"


async def _performed(call: Call) -> Reply:
    """Any exception but RpcErrors is a bug: it is logged, and the client learns no more than that (its text might tell
    what the client must not see)."""
    try:
        _qualify(call.element)
        call.server.access.execute(call.session.user, call.element.tag)
        reply = await _find(call)(call)
        if reply is None or isinstance(reply, tuple):
            return reply
        return await call.server.aside.run(begun, iter(reply))
    except RpcErrors as faults:
        raise _presentable(call, faults) from None
    except RpcError as error:
        raise _presentable(call, RpcErrors([error])) from error
    except Exception as fault:
        log.exception("%s: %s failed by a bug", call.session, call.element.tag)
        raise RpcErrors([OperationFailed("internal error, see the log of the server")]) from fault


def _presentable(call: Call, faults: RpcErrors) -> RpcErrors:
    return redacted(call.server.schema, call.server.access.reader(call.session.user), faults)


def _qualify(operation: etree._Element) -> None:
    """Put an operation of RFC 6241 that comes without a namespace into the one it can only mean, with its parameters:
    Ansible's netconf_rpc writes ``<lock>`` unless its user spells the namespace out."""
    if f"{{{BASE}}}{operation.tag}" not in OPERATIONS:
        return
    for element in operation.iter(etree.Element):
        if not etree.QName(element).namespace:
            element.tag = f"{{{BASE}}}{element.tag}"


def _find(call: Call) -> Operation:
    tag = call.element.tag
    if tag in OPERATIONS:
        return OPERATIONS[tag]
    if tag in call.server.schema.operations:
        return actions.rpc
    name = local_name(call.element)
    raise OperationNotSupported(f"there is no operation {tag}", error_type="protocol", info=[("bad-element", name)])
