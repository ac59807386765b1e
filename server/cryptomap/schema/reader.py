"""pyang as a reader of modules, with each submodule folded into its module before anything is checked.

pyang checks a submodule on its own before the module that includes it has any nodes. So it refuses what RFC 7950
section 5.1 allows: a submodule that augments or refers to nodes of its module, or uses a grouping of another submodule
without including it. Once folded in, a submodule is only a file that statements came from. What has to be reconciled is
prefixes, because each file declares its own.
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterable, Mapping, Sequence

from pyang import context, error, repository

from cryptomap.schema.faults import SchemaFault
from cryptomap.schema.sources import Source
from cryptomap.schema.statements import Statement, argument, fault

__all__ = ["Reader", "read"]

_HEAD = frozenset(
    (
        "yang-version",
        "belongs-to",
        "include",
        "import",
        "organization",
        "contact",
        "description",
        "reference",
        "revision",
    )
)
_WITH_PREFIXES = frozenset(
    (
        *("augment", "base", "default", "deviation", "if-feature", "key", "must", "path"),
        *("refine", "type", "unique", "uses", "when"),
    )
)
# What pyang is wrong about now and then and this room finds out itself: features are all on for pyang; its XPath parser
# refuses some expressions (``*[1]``); a path above the root is an empty node-set and no fault.
_OURS = frozenset(
    ("LEAFREF_TO_NOT_IMPLEMENTED", "XPATH_FUNCTION", "XPATH_FUNC_ARGS", "XPATH_PATH_TOO_MANY_UP", "XPATH_SYNTAX_ERROR")
)


def read(names: Sequence[str], sources: Iterable[Source]) -> Reader:
    """Parse, expand and check the named modules and what they import. Raises SchemaFault."""
    reader = Reader(sources)
    nowhere = error.Position("the modules asked for")
    try:
        for name in names:
            reader.search_module(nowhere, name)
        reader.validate()
    except (AttributeError, KeyError, IndexError, TypeError, ValueError, RecursionError) as failure:
        # pyang stumbles over its own earlier errors now and then; those say more than the exception does.
        reader.refuse_errors()
        raise SchemaFault(f"pyang cannot process {', '.join(names)}: {failure!r}") from failure
    reader.refuse_errors()
    return reader


class _Texts(repository.Repository):  # type: ignore[misc]
    """The module files already read, as pyang asks for them."""

    def __init__(self, sources: Iterable[Source]) -> None:
        super().__init__()
        self._sources = list(sources)

    def get_modules_and_revisions(self, ctx: object) -> list[tuple[str, str | None, tuple[str, Source]]]:
        return [(source.name, source.revision, ("file", source)) for source in self._sources]

    def get_module_from_handle(self, handle: tuple[str, Source]) -> tuple[str, str, str]:
        source = handle[1]  # pyang itself uses a handle that starts with "parsed"
        return str(source.path), source.format, source.text


class Reader(context.Context):  # type: ignore[misc]
    """``loaded`` are the modules read; ``submodules`` holds, by module name, what is left of its submodules."""

    def __init__(self, sources: Iterable[Source]) -> None:
        super().__init__(_Texts(sources))
        self.submodules: dict[str, list[Statement]] = {}
        self.trim_yin = False  # pyang's reader of YIN asks for it, and only pyang's command line sets it

    @property
    def loaded(self) -> list[Statement]:
        return [module for module in self.modules.values() if module is not None]

    def add_parsed_module(self, module: Statement) -> Statement:
        """pyang calls this for every file it has parsed."""
        known = super().add_parsed_module(module)
        if known is module and module is not None and module.keyword == "module":
            self.submodules[module.arg] = self._included(module)
            for submodule in self.submodules[module.arg]:
                _fold(submodule, module)
        return known

    def _included(self, module: Statement) -> list[Statement]:
        """The submodules of a module, also those that only submodules include; sorted by name."""
        found: dict[str, Statement] = {}
        includes = module.search("include")
        for include in includes:  # grows while it is walked
            if include.arg in found:
                continue
            submodule = self.search_module(include.pos, include.arg, argument(include, "revision-date"))
            if submodule is not None:
                _check_belongs(submodule, module, include)
                self.del_module(submodule)
                found[include.arg] = submodule
                includes.extend(submodule.search("include"))
        module.substmts = [statement for statement in module.substmts if statement.keyword != "include"]
        return [found[name] for name in sorted(found)]

    def refuse_errors(self) -> None:
        """Raise SchemaFault for the first error pyang has found, if it has found any."""
        faults = [
            f"{position.ref}, line {position.line}: {error.err_to_str(tag, args)}"
            for position, tag, args in self.errors
            if error.is_error(error.err_level(tag)) and tag not in _OURS
        ]
        if faults:
            more = f" (and {len(faults) - 1} more errors)" if len(faults) > 1 else ""
            raise SchemaFault(" ".join(f"{faults[0]}{more}".split()))


def _check_belongs(submodule: Statement, module: Statement, include: Statement) -> None:
    if submodule.keyword != "submodule" or argument(submodule, "belongs-to") != module.arg:
        raise fault(include, f"{include.arg} is not a submodule of {module.arg}")
    versions = [argument(statement, "yang-version") or "1" for statement in (module, submodule)]
    if versions[0] != versions[1]:
        raise fault(include, f"{module.arg} has YANG version {versions[0]}, its submodule {include.arg} {versions[1]}")


# ===== folding =====


def _fold(submodule: Statement, module: Statement) -> None:
    """Move the body of a submodule to the end of its module, in terms of the module's prefixes."""
    renamed = _reconcile_imports(submodule, module)
    for statement in submodule.substmts:
        if statement.keyword not in _HEAD:
            _move(statement, module, module, renamed)
            module.substmts.append(statement)
    submodule.substmts = [statement for statement in submodule.substmts if statement.keyword in _HEAD]


def _reconcile_imports(submodule: Statement, module: Statement) -> dict[str, str]:
    """Give the module the imports of its submodule; returns the prefixes that have to change, old -> new."""
    own = str(argument(module, "prefix"))
    meanings = {own: (module.arg, None)} | {_prefix(i): _meaning(i) for i in module.search("import")}
    renamed = {str(argument(submodule.search_one("belongs-to"), "prefix")): own}
    place = next(at for at, statement in enumerate(module.substmts) if statement.keyword == "prefix") + 1
    for statement in submodule.search("import"):
        old = new = _prefix(statement)
        if meanings.get(new, _meaning(statement)) != _meaning(statement):
            new = next(p for p in (f"{old}-{number}" for number in itertools.count(2)) if p not in meanings)
            statement.search_one("prefix").arg = new
        renamed[old] = new
        if new not in meanings:
            meanings[new] = _meaning(statement)
            _move(statement, module, module, {})
            module.substmts.insert(place, statement)
    return {old: new for old, new in renamed.items() if old != new}


def _prefix(statement: Statement) -> str:
    return str(argument(statement, "prefix"))


def _meaning(statement: Statement) -> tuple[str, str | None]:
    return statement.arg, argument(statement, "revision-date")


def _move(statement: Statement, parent: Statement, module: Statement, renamed: Mapping[str, str]) -> None:
    statement.top, statement.parent = module, parent
    if renamed:
        _rename(statement, renamed)
    for below in statement.substmts:
        _move(below, statement, module, renamed)


def _rename(statement: Statement, renamed: Mapping[str, str]) -> None:
    if isinstance(statement.raw_keyword, tuple):
        prefix, name = statement.raw_keyword
        statement.raw_keyword = statement.keyword = (renamed.get(prefix, prefix), name)
    elif statement.keyword in _WITH_PREFIXES and statement.arg is not None:
        prefixes = "|".join(map(re.escape, renamed))
        pattern = rf"(?<![\w.-])({prefixes}):(?=[A-Za-z_*])"
        statement.arg = re.sub(pattern, lambda match: f"{renamed[match[1]]}:", statement.arg)
