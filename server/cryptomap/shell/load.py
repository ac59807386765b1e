"""StarOS configuration text into the candidate, as if it was typed there: ``no`` removes what the candidate has."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from dataclasses import dataclass

from lxml import etree

from cryptomap.client import Client
from cryptomap.data.diff import diff, edit_document
from cryptomap.data.xml import read_config
from cryptomap.schema.nodes import Schema
from cryptomap.shell.progress import Progress
from cryptomap.staros import Imported, import_text

__all__ = ["Loaded", "load_staros", "remarks"]


@dataclass(frozen=True, slots=True)
class Loaded:
    """What became of the text: ``changes`` in the candidate, 0 if nothing was taken."""

    imported: Imported
    changes: int


async def load_staros(
    client: Client, schema: Schema, text: str, progress: Progress, *, partial: bool = False
) -> Loaded:
    """Edit the candidate by the lines of the text. Nothing is sent if a line is not taken, unless ``partial``."""
    with progress.waiting("reading the candidate"):
        base = read_config(schema, await client.get_config("candidate"))
    with progress.waiting("reading the text"):
        imported = await asyncio.to_thread(import_text, schema, text, base=base)
    if imported.rejects and not partial:
        return Loaded(imported, 0)
    changes = diff(base, imported.root)
    if changes:
        document = etree.fromstring(edit_document(schema, changes), etree.XMLParser(huge_tree=True))
        with progress.waiting("sending the edit"):
            await client.edit_config(document, default_operation="merge")
    return Loaded(imported, len(changes))


def remarks(name: str, imported: Imported) -> Iterator[str]:
    """What there is to say about the lines of a text."""
    for note in imported.notes:
        yield f"{name}:{note.line_number}: {note.text}"
    for reject in imported.rejects:
        yield f"{name}:{reject.line_number}: not taken: {reject.line.strip()}: {reject.reason}"
