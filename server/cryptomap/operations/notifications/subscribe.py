"""establish-, modify-, delete- and kill-subscription (RFC 8639 section 2.4), resync-subscription (RFC 8641)."""

from __future__ import annotations

from typing import Final

from cryptomap.data.build import build
from cryptomap.data.tree import Node
from cryptomap.data.xml import read_inner, write
from cryptomap.errors import MissingElement, OperationNotSupported
from cryptomap.operations.call import Call, Reply
from cryptomap.operations.inputs import check
from cryptomap.operations.notifications.push import OnChange, Periodic
from cryptomap.operations.notifications.refusals import SN, YP, hinting, refusal
from cryptomap.operations.notifications.stream_subscription import StreamSubscription
from cryptomap.operations.notifications.subscriptions import Dynamic
from cryptomap.schema.nodes import Operation

__all__ = ["SUBSCRIBE"]

_SN: Final = "urn:ietf:params:xml:ns:yang:ietf-subscribed-notifications"
_YP: Final = "urn:ietf:params:xml:ns:yang:ietf-yang-push"


async def establish_subscription(call: Call) -> Reply:
    """The notifications begin after the reply. A session can have several subscriptions, but none of RFC 5277 beside
    them (RFC 8640 section 3)."""
    if call.session.subscription is not None:
        message = "this session has a subscription of RFC 5277: use another session"
        raise OperationNotSupported(message, error_type="protocol")
    call.session.outbox.hold()
    operation, given = _operation(call), await call.server.aside.read(_given, call)
    if given.text("encoding") not in (None, f"{SN}:encode-xml"):
        raise refusal("encoding-unsupported", "notifications are encoded in XML here")
    kind = _kind(given)
    with hinting(call.server.schema, "establish-subscription", kind.kind.module):
        subscription = kind(call, given)
    if len(call.session.subscriptions) >= call.server.limits.subscriptions:
        raise refusal("insufficient-resources", f"a session can have {call.server.limits.subscriptions} subscriptions")
    if isinstance(subscription, OnChange):
        await subscription.require_announced()
    subscription.begin()
    revised = subscription.revised if isinstance(subscription, StreamSubscription) else None
    output = build(operation.output, {"id": subscription.id, "replay-start-time-revision": revised})
    return write(call.server.schema, output)


def _kind(given: Node) -> type[StreamSubscription | Periodic | OnChange]:
    if given[f"{YP}:datastore"] is None:
        return StreamSubscription
    if given[f"{YP}:on-change"] is not None:
        return OnChange
    if given[f"{YP}:periodic"] is not None:
        return Periodic
    message = "a subscription to a datastore is either periodic or on-change"
    raise MissingElement(message, info=[("bad-element", "periodic")])


async def modify_subscription(call: Call) -> Reply:
    """What is given is changed, what is not given stays."""
    subscription = _owned(call, given := _given(call, is_checked=False))
    with hinting(call.server.schema, "modify-subscription", subscription.kind.module):
        subscription.modify(call, given)
    return None


async def delete_subscription(call: Call) -> Reply:
    """A subscription of this session."""
    _owned(call, _given(call)).finish()
    return None


async def kill_subscription(call: Call) -> Reply:
    """A subscription of any session, which is told."""
    call.server.subscriptions.any(_id(_given(call))).terminate("no-such-subscription")
    return None


async def resync_subscription(call: Call) -> Reply:
    """All that an on-change subscription of this session selects is sent again."""
    found = call.server.subscriptions.find(call, _id(_given(call)), "no-such-subscription-resync")
    if not isinstance(found, OnChange):
        raise refusal("on-change-sync-unsupported", f"subscription {found.id} is not on-change")
    found.resync()
    return None


def _operation(call: Call) -> Operation:
    return call.server.schema.operations[call.element.tag]


def _given(call: Call, *, is_checked: bool = True) -> Node:
    """The input. What modify-subscription leaves out stays as it is, so what the model wants there is not checked."""
    operation = _operation(call)
    here = ((operation, None),)
    given = read_inner(call.server.schema, operation.input, call.element, call.server.seal, base=here)
    if is_checked:
        check(call.server.schema, call.server.view(), given, here)
    return given


def _owned(call: Call, given: Node) -> Dynamic:
    return call.server.subscriptions.find(call, _id(given))


def _id(given: Node) -> int:
    text = given.text("id")
    if text is None:
        raise MissingElement("id must be given", info=[("bad-element", "id")])
    return int(text)


SUBSCRIBE: Final = {
    f"{{{_SN}}}establish-subscription": establish_subscription,
    f"{{{_SN}}}modify-subscription": modify_subscription,
    f"{{{_SN}}}delete-subscription": delete_subscription,
    f"{{{_SN}}}kill-subscription": kill_subscription,
    f"{{{_YP}}}resync-subscription": resync_subscription,
}
"""By Clark name."""
