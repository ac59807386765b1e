"""Show commands, rendered from trees that hold state. One table (``table``) names them all."""

from __future__ import annotations

from collections.abc import Sequence

from cryptomap.data.tree import Node
from cryptomap.schema.nodes import Schema
from cryptomap.staros.show.table import ShowFault, found_show, words_after

__all__ = ["ShowFault", "filter_of", "show", "show_words"]


def show(schema: Schema, root: Node, words: Sequence[str]) -> str:
    """The output of a show command, given without the word ``show`` and possibly abbreviated, on a tree that holds what
    :func:`filter_of` selects. Raises ShowFault."""
    command, name = found_show(words)
    return command.render(schema, root, name)


def filter_of(words: Sequence[str]) -> str:
    """The subtree filter of the configuration and state that a show command needs. Raises ShowFault."""
    command, name = found_show(words)
    return command.reads(name)


def show_words(words: Sequence[str]) -> tuple[str, ...]:
    """What can follow the first words of a show command, for completion; nothing if they are wrong."""
    return words_after(words)
