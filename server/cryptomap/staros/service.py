"""The room as the server asks it: show commands and differences, of trees the server has read."""

from __future__ import annotations

from collections.abc import Sequence

from cryptomap.data.tree import Node
from cryptomap.schema.nodes import Schema
from cryptomap.staros.compare import compare_texts
from cryptomap.staros.show import filter_of, show
from cryptomap.staros.writer import export_text

__all__ = ["StarosText"]


class StarosText:
    """See ``operations.show.StarosText``."""

    def filter_of(self, words: Sequence[str]) -> str:
        return filter_of(words)

    def show(self, schema: Schema, root: Node, words: Sequence[str]) -> str:
        return show(schema, root, words)

    def difference(self, schema: Schema, old: Node, new: Node) -> str:
        return compare_texts(export_text(schema, old).text, export_text(schema, new).text)
