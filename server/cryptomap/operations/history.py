"""The history of running: list-commits, get-commit and rollback-to of module cryptomap-server."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Final

from lxml import etree

from cryptomap.data.build import Plain, build, date_and_time
from cryptomap.data.diff import Change, diff, edit_document
from cryptomap.data.edit import edit
from cryptomap.data.tree import AnyValue, Node, Path
from cryptomap.datastore.history import Record
from cryptomap.datastore.transaction import Origin, Warnings
from cryptomap.errors import InvalidValue
from cryptomap.operations.actions import Handler
from cryptomap.operations.visible import diff_text, visible
from cryptomap.operations.with_defaults import AlreadySealed
from cryptomap.schema.nodes import Operation, Schema

if TYPE_CHECKING:
    from cryptomap.operations.server import Server

__all__ = ["handlers"]

_MODULE: Final = "cryptomap-server"
_ILLEGAL = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


def handlers(server: Server) -> Mapping[str, Handler]:
    """The three operations by schema path; empty if the module is not there."""
    namespace = server.schema.namespace_of_module.get(_MODULE)
    if f"{{{namespace}}}list-commits" not in server.schema.operations:
        return {}
    history = _History(server, namespace or "")
    return {
        f"/{_MODULE}:list-commits": history.list_commits,
        f"/{_MODULE}:get-commit": history.get_commit,
        f"/{_MODULE}:rollback-to": history.rollback_to,
    }


class _History:
    def __init__(self, server: Server, namespace: str) -> None:
        self._server = server
        self._namespace = namespace

    def list_commits(self, path: Path, given: Node, origin: Origin) -> Node:
        """On a thread of its own: it reads the journal."""
        before = given.text("before")
        limit = int(given.text("limit") or 100)
        records = self._server.datastores.history(limit, None if before is None else int(before))
        return build(self._operation("list-commits").output, {"commit": [_facts(record) for record in records]})

    def get_commit(self, path: Path, given: Node, origin: Origin) -> Node:
        """On a thread of its own: it rebuilds the configuration before the commit."""
        commit = int(given.text("commit") or 0)
        record = self._record(commit)
        changes = self._seen(origin, self._changes_of(commit))
        content = {**_facts(record), "change": self._document(changes), "diff": diff_text(changes) or None}
        return build(self._operation("get-commit").output, content)

    async def rollback_to(self, path: Path, given: Node, origin: Origin) -> Node:
        commit = int(given.text("commit") or 0)
        perform = self._rehearse if given["rehearse"] is not None else self._rollback
        content = await asyncio.shield(self._server.writer.run(perform, origin, commit))
        return build(self._operation("rollback-to").output, content)

    # ===== on the writer's thread =====

    def _rollback(self, origin: Origin, commit: int) -> Plain:
        committed = self._server.datastores.rollback(origin, commit)
        if committed is None:
            return {}
        changes = self._seen(origin, committed.transition.changes)
        return {"commit": committed.record.id, **_told(changes, committed.warnings)}

    def _rehearse(self, origin: Origin, commit: int) -> Plain:
        rehearsal = self._server.datastores.rehearse_rollback(origin, commit)
        changes = self._seen(origin, rehearsal.transition.changes)
        plans = rehearsal.plans.values()
        effects = [line for plan in plans for line in self._server.effects(plan)]
        return {**_told(changes, rehearsal.warnings), "effect": effects}

    # ===== helpers =====

    def _operation(self, name: str) -> Operation:
        return self._server.schema.operations[f"{{{self._namespace}}}{name}"]

    def _record(self, commit: int) -> Record:
        records = self._server.datastores.history(1, commit + 1)
        if not records or records[0].id != commit:
            raise InvalidValue(f"there is no commit {commit}; list-commits shows those there are")
        return records[0]

    def _changes_of(self, commit: int) -> list[Change]:
        """What that commit changed, by applying it to what was before."""
        datastores = self._server.datastores
        before = datastores.root_at(commit - 1)
        parser = etree.XMLParser(resolve_entities=False, no_network=True, huge_tree=True)
        document = etree.fromstring(datastores.change_of(commit), parser)
        return diff(before, edit(self._schema, before, document, seal=AlreadySealed()))

    def _seen(self, origin: Origin, changes: Iterable[Change]) -> list[Change]:
        return visible(self._schema, self._server.access.reader(origin.user), changes)

    def _document(self, changes: Iterable[Change]) -> AnyValue:
        return AnyValue(
            b'<change xmlns="%b">%b</change>' % (self._namespace.encode(), edit_document(self._schema, changes))
        )

    @property
    def _schema(self) -> Schema:
        return self._server.schema


def _facts(record: Record) -> Plain:
    return {
        "id": record.id,
        "time": date_and_time(record.time),
        "username": _legal(record.user),
        "session-id": record.session_id or None,
        "source": _legal(record.source) or None,
        "kind": record.kind,
        "message": _legal(record.message) or None,
        "created": record.created,
        "modified": record.modified,
        "deleted": record.deleted,
    }


def _legal(text: str) -> str:
    """Without what XML cannot carry."""
    return _ILLEGAL.sub("?", text)


def _told(changes: Iterable[Change], warnings: Warnings) -> Plain:
    return {"diff": diff_text(changes) or None, "warning": [str(warning) for warning in warnings]}
