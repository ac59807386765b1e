"""Small questions to pyang statements. Everything here works on a context whose ``validate()`` has run.

Which module a statement belongs to has two answers: ``i_module`` is where it ends up (the module that uses a grouping),
``i_orig_module`` is where it was written, whose prefixes its text uses.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypeAlias

from cryptomap.schema.faults import SchemaFault
from cryptomap.schema.type_base import Names, TypeFault

__all__ = [
    "Statement",
    "argument",
    "fault",
    "flag",
    "module_of",
    "names_in",
    "prefixes_in",
    "revision_of",
]

Statement: TypeAlias = Any
"""A pyang statement; pyang has no annotations."""


def fault(statement: Statement, message: str) -> SchemaFault:
    """A SchemaFault at the place a statement stands."""
    return SchemaFault(" ".join(f"{statement.pos.ref}, line {statement.pos.line}: {message}".split()))


def argument(statement: Statement, keyword: str | tuple[str, str]) -> str | None:
    """The argument of the first substatement of that kind."""
    found = statement.search_one(keyword)
    return None if found is None else str(found.arg)


def flag(statement: Statement, keyword: str) -> bool:
    """Whether a boolean substatement stands there with ``true``."""
    return argument(statement, keyword) == "true"


def module_of(statement: Statement) -> str:
    """Name of the module (never the submodule) whose namespace the statement's identifier belongs to."""
    return str(statement.i_module.i_modulename)


def revision_of(module: Statement) -> str:
    """The latest revision date of a module or submodule, or the empty string."""
    return max((str(revision.arg) for revision in module.search("revision")), default="")


def prefixes_in(statement: Statement) -> Mapping[str, str]:
    """Module names by the prefixes in scope where the statement was written."""
    module = statement.i_orig_module
    prefixes = {prefix: name for prefix, (name, _) in module.i_prefixes.items()}
    prefixes[module.i_prefix] = module.i_modulename
    return prefixes


def names_in(statement: Statement) -> Names:
    """The same as a function for :meth:`Type.parse`; no prefix means the module it was written in."""
    prefixes = prefixes_in(statement)
    own = str(statement.i_orig_module.i_modulename)

    def names(prefix: str | None) -> str:
        if prefix is None:
            return own
        if prefix not in prefixes:
            raise TypeFault(f"prefix '{prefix}' is not declared")
        return prefixes[prefix]

    return names
