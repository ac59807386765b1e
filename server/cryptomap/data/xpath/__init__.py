"""XPath over instance trees (XPath 1.0; RFC 7950 sections 6.4 and 10).

Immutable nodes have no parent, so an instance is met as a :class:`Cursor`: the node and the cursor it was reached from.
An expression is compiled once to closures (:func:`compile_expr`) and run many times.

What an expression sees is the accessible tree of RFC 7950 section 6.4.1: defaults in use exist, and so do non-presence
containers whose parent exists. A list step whose predicates fix all keys (``[name = current()/../x]``) is a look-up and
not a scan; that is what keeps leafrefs and cross-list musts flat at 100,000 entries.
"""

from cryptomap.data.xpath.compile import compile_cached, compile_expr
from cryptomap.data.xpath.conversions import to_boolean, to_number, to_text
from cryptomap.data.xpath.cursor import Compiled, Cursor, Result
from cryptomap.data.xpath.env import Env
from cryptomap.data.xpath.leafrefs import leafref_expr

__all__ = [
    "Compiled",
    "Cursor",
    "Env",
    "Result",
    "compile_cached",
    "compile_expr",
    "leafref_expr",
    "to_boolean",
    "to_number",
    "to_text",
]
