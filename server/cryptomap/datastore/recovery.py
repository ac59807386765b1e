"""Rebuilding a configuration: the newest good checkpoint, and the edit documents after it.

Under the schema it was written with, what comes out is what was committed, and needs no validation. Under any other
schema (an upgrade) data may have become unknown or invalid: it is taken out, reported, and handed back so that the
caller can set it aside. The same input under the same schema always gives the same result.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass, field

from lxml import etree

from cryptomap.data.edit import edit
from cryptomap.data.tree import Node
from cryptomap.data.validation import Snapshot, empty_snapshot, snapshot_of
from cryptomap.data.xml import Sealer, read_config
from cryptomap.datastore.checkpoint import Checkpoint
from cryptomap.datastore.checkpoints import Checkpoints
from cryptomap.datastore.history import ENTRY_WEIGHT, Entry, History
from cryptomap.datastore.salvage import leniently, valid_part
from cryptomap.schema.nodes import Schema

__all__ = ["Archive", "Rebuilt"]

log = logging.getLogger(__name__)


@dataclass(slots=True)
class Rebuilt:
    """A configuration of the past. ``trusted``: made of nothing but what was committed under this very schema.
    ``refused``: what this schema does not accept, as XML with the reason. ``replayed``: the weight of what was replayed
    in bytes."""

    root: Node
    commit: int
    trusted: bool = True
    replayed: int = 0
    refused: list[tuple[str, bytes]] = field(default_factory=list)


class Archive:
    """All configurations there ever were in one journal; reads on any thread."""

    def __init__(self, schema: Schema, seal: Sealer | None, checkpoints: Checkpoints, history: History) -> None:
        self._schema = schema
        self._seal = seal
        self._checkpoints = checkpoints
        self._history = history

    def rebuild(self, commit: int, document: bytes = b"") -> Rebuilt:
        """The configuration after that commit (0: before the first), edited by a document if there is one. Raises
        StateFault if the journal is damaged where no checkpoint helps, KeyError if there is no such commit."""
        if self._history.digest(commit) is None:
            raise KeyError(commit)
        rebuilt = self._base(commit)
        if rebuilt.commit < commit:
            log.info("journal: replaying commits %d to %d", rebuilt.commit + 1, commit)
        for entry in self._history.entries(rebuilt.commit, commit):
            self._replay(rebuilt, entry)
        if document:
            self._apply(rebuilt, document, rebuilt.trusted)
        return rebuilt

    def snapshot(self, rebuilt: Rebuilt) -> Snapshot:
        """The snapshot of a rebuilt configuration; what an untrusted one violates is taken out of it and added to
        ``refused``."""
        if rebuilt.root.is_empty:
            return empty_snapshot(self._schema)
        if rebuilt.trusted:
            return snapshot_of(self._schema, rebuilt.root)
        return valid_part(self._schema, rebuilt.root, self._seal, rebuilt.refused)

    def beyond(self, head: int) -> Checkpoint | None:
        """A good checkpoint of a commit the journal has lost, under this schema."""
        newest = next(self._checkpoints.good(beyond=head), None)
        if newest is None or newest.header.commit <= head:
            return None
        return newest if newest.fits(self._schema) else None

    def _base(self, commit: int) -> Rebuilt:
        for checkpoint in self._checkpoints.good(upto=commit):
            header = checkpoint.header
            if self._history.digest(header.commit) != header.digest:
                log.warning("checkpoint of commit %d belongs to another journal: ignored", header.commit)
            elif checkpoint.fits(self._schema):
                return Rebuilt(checkpoint.tree(self._schema), header.commit)
            else:
                return self._translated(checkpoint)
        return Rebuilt(Node.empty(self._schema.root), 0)

    def _translated(self, checkpoint: Checkpoint) -> Rebuilt:
        log.info("checkpoint of commit %d is of another schema: reading it by names", checkpoint.header.commit)
        rebuilt = Rebuilt(Node.empty(self._schema.root), checkpoint.header.commit, trusted=False)
        rebuilt.root = leniently(
            lambda config: read_config(self._schema, config, self._seal), checkpoint.element(), rebuilt.refused
        )
        return rebuilt

    def _replay(self, rebuilt: Rebuilt, entry: Entry) -> None:
        self._apply(rebuilt, entry.document, entry.record.schema == self._schema.content_id)
        rebuilt.commit = entry.record.id
        rebuilt.replayed += len(entry.document) + ENTRY_WEIGHT

    def _apply(self, rebuilt: Rebuilt, document: bytes, same_schema: bool) -> None:
        config, root = parse(document), rebuilt.root
        rebuilt.trusted = rebuilt.trusted and same_schema
        if rebuilt.trusted:
            rebuilt.root = self._edit(root, config)
        else:
            rebuilt.root = leniently(lambda part: self._edit(root, part), config, rebuilt.refused)

    def _edit(self, root: Node, config: etree._Element) -> Node:
        return edit(self._schema, root, config, seal=self._seal)


def parse(document: bytes) -> etree._Element:
    """An edit document of our own."""
    return etree.fromstring(document, etree.XMLParser(resolve_entities=False, no_network=True, huge_tree=True))
