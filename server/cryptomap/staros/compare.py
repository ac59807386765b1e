"""What differs between two configurations, as lines of StarOS text: a block for each object that does.

Objects are compared one by one, so that two long texts with a change at either end cost no more than their length."""

from __future__ import annotations

from collections.abc import Iterator
from difflib import unified_diff
from itertools import zip_longest

from cryptomap.staros.writer import INDENT

__all__ = ["compare_texts"]

Block = tuple[str, ...]
"""The lines that open the modes around an object; what stands in a mode by itself has the mode's own block."""


def compare_texts(old: str, new: str) -> str:
    """The difference of two canonical texts; empty if there is none."""
    before, after = _blocks(old), _blocks(new)
    lines: list[str] = []
    for block in {**before, **after}:
        if before.get(block) != after.get(block):
            lines += _difference(block, before.get(block, []), after.get(block, []))
    return "".join([f"{line}\n" for line in lines])


def _difference(block: Block, old: list[str], new: list[str]) -> Iterator[str]:
    yield f"@@ {' / '.join(line.strip() for line in block) or 'config'} @@"
    yield from [line for line in unified_diff(old, new, lineterm="", n=3) if not line.startswith(("---", "+++", "@@"))]


def _blocks(text: str) -> dict[Block, list[str]]:
    """The lines of each object: what opens a block in a context or in configure mode, down to its ``#exit``."""
    found: dict[Block, list[str]] = {}
    context: Block = ()
    here: Block = ()
    lines = text.splitlines()[1:-1]  # without config and end
    for line, following in zip_longest(lines, lines[1:], fillvalue=""):
        depth, ends = _depth(line), line.strip() == "#exit"
        if depth == 1 and context:
            context = here = ()
            if ends:
                continue
        if depth == 1 and line.startswith(f"{INDENT}context "):
            context = here = (line,)
        elif depth == len(context) + 1 and not ends:
            opens = _depth(following) > depth or following == f"{INDENT * depth}#exit"
            here = (*context, line) if opens else context
        found.setdefault(here, []).append(line)
        if depth == len(context) + 1 and ends:
            here = context
    return found


def _depth(line: str) -> int:
    return (len(line) - len(line.lstrip())) // len(INDENT)
