"""The history of running: list-commits, get-commit, compare-commits and rollback-to of module cryptomap-server."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Final

from lxml import etree

from cryptomap.data.build import Plain, build, date_and_time
from cryptomap.data.diff import Change, diff, edit_document
from cryptomap.data.edit import edit
from cryptomap.data.tree import AnyValue, Node, Path, reuse
from cryptomap.data.view import View, materialize
from cryptomap.datastore.history import Record
from cryptomap.datastore.transaction import Origin
from cryptomap.errors import InvalidValue, OperationNotSupported
from cryptomap.operations.access import Reader
from cryptomap.operations.actions import Handler
from cryptomap.operations.plan import findings_of, rehearsed
from cryptomap.operations.visible import difference, visible
from cryptomap.operations.with_defaults import AlreadySealed
from cryptomap.schema.nodes import Operation, Schema

if TYPE_CHECKING:
    from cryptomap.operations.server import Server

__all__ = ["handlers"]

_MODULE: Final = "cryptomap-server"
_ILLEGAL = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


def handlers(server: Server) -> Mapping[str, Handler]:
    """The operations by schema path; empty if the module is not there."""
    namespace = server.schema.namespace_of_module.get(_MODULE)
    if f"{{{namespace}}}list-commits" not in server.schema.operations:
        return {}
    history = _History(server, namespace or "")
    return {
        f"/{_MODULE}:list-commits": history.list_commits,
        f"/{_MODULE}:get-commit": history.get_commit,
        f"/{_MODULE}:compare-commits": history.compare_commits,
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
        content = {**_facts(record), "change": self._document(changes), **difference(changes)}
        return build(self._operation("get-commit").output, content)

    def compare_commits(self, path: Path, given: Node, origin: Origin) -> Node:
        """On a thread of its own: it rebuilds both configurations."""
        old, new = (self._root_at(given.text(leaf)) for leaf in ("from", "to"))
        changes = self._seen(origin, diff(old, new))
        content = {"change": self._document(changes) if changes else None, **difference(changes)}
        if given["staros"] is not None:
            content["staros"] = self._as_staros(origin, old, new) or None
        return build(self._operation("compare-commits").output, content)

    async def rollback_to(self, path: Path, given: Node, origin: Origin) -> Node:
        commit = int(given.text("commit") or 0)
        perform = self._rehearse if given["rehearse"] is not None else self._rollback
        origin = replace(origin, message=given.text("message") or "")
        content = await asyncio.shield(self._server.writer.run(perform, origin, commit))
        return build(self._operation("rollback-to").output, content)

    # ===== on the writer's thread =====

    def _rollback(self, origin: Origin, commit: int) -> Plain:
        committed = self._server.datastores.rollback(origin, commit)
        if committed is None:
            return {}
        changes = self._seen(origin, committed.transition.changes)
        warnings = findings_of(self._server, self._reader(origin), committed.warnings)
        return {"commit": committed.record.id, "warning": warnings, **difference(changes)}

    def _rehearse(self, origin: Origin, commit: int) -> Plain:
        rehearsal = self._server.datastores.rehearse_rollback(origin, commit)
        return rehearsed(self._server, self._reader(origin), rehearsal)

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

    def _root_at(self, commit: str | None) -> Node:
        """The configuration after a commit, as it stands in another tree's nodes; running if none is named."""
        running = self._server.datastores.running.root
        if commit is None:
            return running
        root = reuse(running, self._server.datastores.root_at(int(commit)))
        assert isinstance(root, Node)
        return root

    def _as_staros(self, origin: Origin, old: Node, new: Node) -> str:
        staros, reader = self._server.staros, self._reader(origin)
        if staros is None:
            raise OperationNotSupported("this server knows no StarOS text", info=[("bad-element", "staros")])
        seen = [materialize(View(reader.prune(root), hide=reader.hide).materialize()) for root in (old, new)]
        return staros.difference(self._schema, *seen)

    def _reader(self, origin: Origin) -> Reader:
        return self._server.access.reader(origin.user)

    def _seen(self, origin: Origin, changes: Iterable[Change]) -> list[Change]:
        return visible(self._schema, self._reader(origin), changes)

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
