"""plan of module cryptomap-server: what a commit would do, without doing it.

A configuration that would be refused is no fault of the request: the answer says why, and that nothing would happen.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Final

from cryptomap.data.build import Plain, build
from cryptomap.data.diff import diff
from cryptomap.data.tree import Node, Path, reuse
from cryptomap.datastore.datastores import Rehearsal
from cryptomap.datastore.outlook import Effect, Outlook
from cryptomap.datastore.transaction import Origin
from cryptomap.errors import RpcError, RpcErrors
from cryptomap.operations.access import Reader
from cryptomap.operations.actions import Handler
from cryptomap.operations.redact import finding, redacted
from cryptomap.operations.visible import difference, visible

if TYPE_CHECKING:
    from cryptomap.operations.server import Server

__all__ = ["findings_of", "handlers", "rehearsed"]

_PATH: Final = "/cryptomap-server:plan"
_COUNTED: Final = {
    "create": "created",
    "teardown": "torn-down",
    "re-establish": "re-established",
    "rekey": "rekeyed",
    "update-in-place": "updated",
}


def handlers(server: Server) -> Mapping[str, Handler]:
    """The operation by its schema path; empty if the module is not there."""
    namespace = server.schema.namespace_of_module.get("cryptomap-server")
    operation = server.schema.operations.get(f"{{{namespace}}}plan")
    if operation is None:
        return {}

    async def plan(path: Path, given: Node, origin: Origin) -> Node:
        content = await asyncio.shield(server.writer.run(_plan, server, given, origin))
        return build(operation.output, content)

    return {_PATH: plan}


def _plan(server: Server, given: Node, origin: Origin) -> Plain:
    """On the writer's thread."""
    datastores, reader = server.datastores, server.access.reader(origin.user)
    commit, name = given.text("commit"), given.text("datastore") or "candidate"
    source: str | Node = name
    if commit is not None:
        source, origin = _reused(datastores.running.root, datastores.root_at(int(commit))), origin.as_kind("rollback")
    target = datastores.read(source, origin.session_id) if isinstance(source, str) else source
    try:
        rehearsal = datastores.rehearse(origin, source)
    except (RpcError, RpcErrors) as fault:
        changes = visible(server.schema, reader, diff(datastores.running.root, target))
        return {"accepted": "false", "refusal": _refusals(server, reader, fault), **difference(changes)}
    return {"accepted": "true", **rehearsed(server, reader, rehearsal)}


def _reused(running: Node, root: Node) -> Node:
    """An earlier configuration, made of running's own nodes where it is as running."""
    again = reuse(running, root)
    assert isinstance(again, Node)
    return again


def _refusals(server: Server, reader: Reader, fault: RpcError | RpcErrors) -> list[Plain]:
    errors = (fault,) if isinstance(fault, RpcError) else fault.errors
    said = findings_of(server, reader, errors)
    return [{"error-tag": error.tag, **finding} for error, finding in zip(errors, said, strict=True)]


def rehearsed(server: Server, reader: Reader, rehearsal: Rehearsal) -> Plain:
    """What a rehearsal has found, as far as a reader may see it: warnings, difference, effects."""
    changes = visible(server.schema, reader, rehearsal.transition.changes)
    outlooks = [server.outlook(plan) for plan in rehearsal.plans.values()]
    warnings = findings_of(server, reader, rehearsal.warnings)
    return {"warning": warnings, **difference(changes), **_told(outlooks, reader)}


def findings_of(server: Server, reader: Reader, errors: Iterable[RpcError]) -> list[Plain]:
    """Errors or warnings as the grouping finding, as a reader may see them."""
    errors = list(errors)
    shown = redacted(server.schema, reader, RpcErrors(errors)).errors if errors else ()
    return [finding(server.schema, error) for error in shown]


# ===== effects =====


def _told(outlooks: Iterable[Outlook], reader: Reader) -> Plain:
    outlooks = list(outlooks)
    effects = [effect for outlook in outlooks for effect in outlook.effects if reader.sees(effect.path)]
    limits = [limit for outlook in outlooks for limit in outlook.limits if reader.sees(limit.path)]
    return {
        "summary": _summary(effects) if effects else None,
        "tunnel": [_effect(effect) for effect in effects if effect.what == "tunnel"],
        "service": [_effect(effect) for effect in effects if effect.what == "service"],
        "marking": any(outlook.marking for outlook in outlooks),
        "limit": [limit.text for limit in limits] or None,
    }


def _summary(effects: list[Effect]) -> Plain:
    counts = {leaf: sum(effect.kind == kind for effect in effects) for kind, leaf in _COUNTED.items()}
    pending = sum(effect.reapply_pending for effect in effects)
    return {**counts, "reapply-pending": pending, "dropped-sas": sum(effect.drops for effect in effects)}


def _effect(effect: Effect) -> Plain:
    facts = {"effect": effect.kind, "reason": list(effect.reasons) or None, "dropped-sas": effect.drops}
    pending = {"reapply-pending": str(effect.reapply_pending).lower()} if effect.what == "tunnel" else {}
    return {**effect.names, **facts, **pending}
