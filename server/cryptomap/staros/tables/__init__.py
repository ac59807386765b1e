"""The commands of StarOS, mode by mode. Reading and writing both go by these tables and by nothing else.

Where a comment says "recalled", the form of a command is known from practice only and no document confirms it."""

from cryptomap.staros.tables.configure import CONFIGURE

__all__ = ["CONFIGURE"]
