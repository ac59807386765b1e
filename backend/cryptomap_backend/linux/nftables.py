"""The one question to nftables that is asked often, by netlink instead of a program: whose program is loaded? Pure."""

from __future__ import annotations

import re
import struct

from cryptomap_backend.linux.netlink import Frame, Message, attribute, attributes

__all__ = ["PROTOCOL", "digest_in", "table_question"]

PROTOCOL = 12
GET_TABLE = 10 << 8 | 1
INET = 1
GENERIC = struct.Struct("=BBH")
NAME, USER_DATA = 1, 6
COMMENT = 0


def table_question(table: str) -> Message:
    """The question for a table of family inet."""
    return Message(GET_TABLE, GENERIC.pack(INET, 0, 0) + attribute(NAME, table.encode() + b"\0"))


def digest_in(frame: Frame) -> str | None:
    """The digest of the program that the table was made from, which is its comment; ``None`` if it has none."""
    data = attributes(frame.body[GENERIC.size :]).get(USER_DATA, b"")
    at = 0
    while at + 2 <= len(data):
        kind, size = data[at], data[at + 1]
        text = data[at + 2 : at + 2 + size].rstrip(b"\0").decode(errors="replace")
        if kind == COMMENT:
            return text if re.fullmatch("[0-9a-f]{32}", text) else None
        at += 2 + size
    return None
