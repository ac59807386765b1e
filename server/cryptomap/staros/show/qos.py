"""``show qos ip-dscp-iphb-mapping`` and ``show qos l2-mapping-table``: whole tables, defaults filled in.

DSCP and 802.1p are in hex, the rest decimal, and a rule stands after every eight rows, as the seed has it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from cryptomap.data.tree import Node
from cryptomap.staros.paths import entries_at, text_at

__all__ = ["show_l2_table", "show_qos_mapping"]

RULE = "-----"
ROWS_BETWEEN_RULES = 8
DSCPS = range(64)
COSES = range(8)
COLORS = range(4)
MAPPING_COLUMNS = "{:<6}{}"
TABLE_COLUMNS = "{:<20}{:<10}{:<8}{}"


def show_qos_mapping(qos: Node | None) -> str:
    """The 64 rows of the mapping in the container ``qos``: from its state, else from the configuration."""
    cos = dict.fromkeys(DSCPS, 0)
    for row in [] if qos is None else _rows(qos, "ip-dscp-iphb-mapping"):
        cos[_number(row, "dscp")] = _number(row, "cos")
    rows = [MAPPING_COLUMNS.format(f"0x{number:02x}", priority) for number, priority in cos.items()]
    return _text([MAPPING_COLUMNS.format("DSCP", "Internal Qos"), *_ruled(rows)])


def show_l2_table(table: Node | None, name: str) -> str:
    """The 32 rows of a table: its list entry, or the container of system-default (``None``: nothing is configured)."""
    marks = {(cos, color): (2 * cos, cos) for cos in COSES for color in COLORS}
    for row in [] if table is None else _rows(table, "internal-priority"):
        cell = (_number(row, "cos"), _number(row, "color"))
        dot1p, mpls = marks[cell]
        marks[cell] = (_number(row, "dot1p-value", dot1p), _number(row, "mpls-tc", mpls))
    rows = [TABLE_COLUMNS.format(*cell, f"0x{dot1p:x}", mpls) for cell, (dot1p, mpls) in marks.items()]
    head = [
        f"Table: {name}",
        "",
        TABLE_COLUMNS.format("Internal", "Priority", "802.1p", "MPLS"),
        TABLE_COLUMNS.format("Class-of-service", "Color", "", "").rstrip(),
    ]
    return _text([*head, *_ruled(rows)])


def _rows(node: Node, name: str) -> Iterable[Node]:
    """The rows in use, which the state has, else those that are configured."""
    state = entries_at(node, f"state/{name}")
    return (state if len(state) else entries_at(node, name)).nodes()


def _number(row: Node, leaf: str, absent: int = 0) -> int:
    found = text_at(row, leaf)
    return absent if found is None else int(found)


def _ruled(rows: list[str]) -> Iterator[str]:
    for position, row in enumerate(rows, 1):
        yield row
        if position % ROWS_BETWEEN_RULES == 0:
            yield RULE


def _text(lines: Iterable[str]) -> str:
    return "\n".join(lines) + "\n"
