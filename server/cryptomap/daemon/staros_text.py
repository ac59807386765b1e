"""StarOS text as the server asks for it: show commands and differences, of trees the server has read.

The room is imported when somebody asks first: its grammar takes 60 ms, which each start would pay.
"""

from __future__ import annotations

from collections.abc import Sequence

from cryptomap.data.tree import Node
from cryptomap.schema.nodes import Schema

__all__ = ["StarosText"]


class StarosText:
    """See ``operations.show.StarosText``."""

    def filter_of(self, words: Sequence[str]) -> str:
        from cryptomap.staros.show import filter_of

        return filter_of(words)

    def show(self, schema: Schema, root: Node, words: Sequence[str]) -> str:
        from cryptomap.staros.show import show

        return show(schema, root, words)

    def difference(self, schema: Schema, old: Node, new: Node) -> str:
        from cryptomap.staros import export_text
        from cryptomap.staros.compare import compare_texts

        return compare_texts(export_text(schema, old).text, export_text(schema, new).text)
