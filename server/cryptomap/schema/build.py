"""From module texts to a :class:`Schema`: pyang reads and checks, ``schema.compile`` makes the nodes."""

from __future__ import annotations

import itertools
import re
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence

from cryptomap.schema.compile import Compiler
from cryptomap.schema.faults import SchemaFault
from cryptomap.schema.features import Features
from cryptomap.schema.library import content_id
from cryptomap.schema.nodes import Identity, InnerNode, Module, Schema
from cryptomap.schema.reader import Reader, read
from cryptomap.schema.sources import Source
from cryptomap.schema.statements import Statement, argument, module_of, prefixes_in, revision_of
from cryptomap.schema.type_build import TypeBuilder

__all__ = ["build"]

_PREFIXED = re.compile(r"([A-Za-z_][\w.-]*):(?!:)[A-Za-z_*]")
_QUOTED = re.compile(r"'[^']*'|\"[^\"]*\"")


def build(names: Sequence[str], sources: Sequence[Source], features: Mapping[str, Collection[str]]) -> Schema:
    """Compile the named modules, found among ``sources``, and what they import. Raises SchemaFault."""
    reader = read(names, sources)
    modules = _latest(reader.loaded)
    misnamed = [name for name in names if name not in modules]
    if misnamed:
        raise SchemaFault(f"{', '.join(misnamed)}: a submodule cannot be asked for, only its module")
    enabled = Features(modules, features)
    implemented = _implemented(names, modules, enabled)
    identities = _identities(implemented, modules, enabled)
    root = InnerNode(name="", module="", tag="", path="", config=True)
    namespaces = {name: str(argument(modules[name], "namespace")) for name in implemented}
    compiler = Compiler(root, TypeBuilder(root, identities, enabled), enabled, namespaces)
    compiler.compile(modules[name] for name in implemented)
    described = _describe(reader, modules, implemented, enabled, {str(s.path): s.text for s in sources})
    return Schema(
        root=root,
        modules=described,
        identities=identities,
        operations=compiler.operations,
        notifications=compiler.notifications,
        content_id=content_id(described.values()),
        module_of_namespace={module.namespace: module.name for module in described.values() if not module.belongs_to},
        prefix_of_module=_unique_prefixes(described),
        namespace_of_module={module.name: module.namespace for module in described.values()},
    )


# ===== modules =====


def _latest(loaded: Iterable[Statement]) -> dict[str, Statement]:
    """The latest revision of each module, without submodules, in the order they were loaded."""
    modules: dict[str, Statement] = {}
    for statement in loaded:
        known = modules.get(statement.arg)
        if statement.keyword == "module" and (known is None or revision_of(known) < revision_of(statement)):
            modules[statement.arg] = statement
    return modules


# ===== which modules are implemented =====


def _implemented(names: Sequence[str], modules: Mapping[str, Statement], features: Features) -> list[str]:
    """The named modules, then those they need to be implemented, transitively."""
    deviating = [name for name, module in modules.items() if module.search_one("deviation") is not None]
    implemented = list(dict.fromkeys([*(name for name in names if name in modules), *deviating]))
    for name in implemented:  # grows while it is walked
        for needed in _modules_needed(modules[name], features):
            if needed in modules and needed not in implemented:
                implemented.append(needed)
    return implemented


def _modules_needed(module: Statement, features: Features) -> Iterator[str]:
    """Modules whose nodes a module augments, deviates or refers to in XPath, as far as its features are on."""
    augments = [augment for augment in module.search("augment") if features.admit(augment)]
    for statement in (*augments, *module.search("deviation")):
        yield from _named_in(statement)
    for child in module.i_children:
        yield from _needed_below(child, features)
    for augment in augments:
        for child in augment.i_children:
            yield from _needed_below(child, features)


def _needed_below(statement: Statement, features: Features) -> Iterator[str]:
    if not features.admit(statement):
        return
    for kind in statement.search("type"):
        yield from _paths_in(kind)
    for condition in (*statement.search("must"), *statement.search("when")):
        yield from _named_in(condition)
    for child in getattr(statement, "i_children", ()):
        if module_of(child) == module_of(statement):
            yield from _needed_below(child, features)


def _paths_in(kind: Statement) -> Iterator[str]:
    for path in kind.search("path"):
        yield from _named_in(path)
    for member in kind.search("type"):
        yield from _paths_in(member)
    if kind.i_typedef is not None:
        yield from _paths_in(kind.i_typedef.search_one("type"))


def _named_in(statement: Statement) -> Iterator[str]:
    """The modules whose prefixes stand in a path or XPath expression; quoted names are identities, not nodes."""
    prefixes = prefixes_in(statement)
    for prefix in _PREFIXED.findall(_QUOTED.sub("", statement.arg)):
        if prefix in prefixes:
            yield prefixes[prefix]


# ===== identities =====


def _identities(
    implemented: Sequence[str], modules: Mapping[str, Statement], features: Features
) -> dict[str, Identity]:
    """The identities of implemented modules, sorted; only they are values (RFC 7950 section 9.10)."""
    known: dict[str, frozenset[str]] = {}
    present = (s for name in implemented for s in modules[name].i_identities.values() if features.admit(s))
    found = {_qualified(statement): _ancestors(statement, known) for statement in present}
    return {name: Identity(name, found[name]) for name in sorted(found)}


def _ancestors(identity: Statement, known: dict[str, frozenset[str]]) -> frozenset[str]:
    name = _qualified(identity)
    if name not in known:
        bases = [base.i_identity for base in identity.search("base")]
        inherited = (_ancestors(base, known) for base in bases)
        known[name] = frozenset(_qualified(base) for base in bases).union(*inherited)
    return known[name]


def _qualified(identity: Statement) -> str:
    return f"{module_of(identity)}:{identity.arg}"


# ===== describing =====


def _describe(
    reader: Reader,
    modules: Mapping[str, Statement],
    implemented: Sequence[str],
    features: Features,
    texts: Mapping[str, str],
) -> dict[str, Module]:
    """All modules and submodules. An older revision that somebody imports by date stands under ``name@revision``."""
    deviations = _deviations(modules.values())
    described = {}
    for statement in reader.loaded:
        name, revision, reference = str(statement.arg), revision_of(statement), str(statement.pos.ref)
        is_main = modules[name] is statement
        submodules = reader.submodules[name] if is_main else []
        described[name if is_main else f"{name}@{revision}"] = module = Module(
            name=name,
            revision=revision,
            namespace=argument(statement, "namespace") or "",
            prefix=str(statement.i_prefix),
            source=reference,
            implemented=name in implemented and is_main,
            features=features.of(name) if is_main else (),
            deviations=tuple(sorted(deviations.get(name, ()))) if is_main else (),
            submodules=tuple((str(submodule.arg), revision_of(submodule)) for submodule in submodules),
            text=texts.get(reference, ""),
        )
        described |= {str(s.arg): _submodule(s, module, texts) for s in submodules}
    return dict(sorted(described.items()))


def _submodule(statement: Statement, module: Module, texts: Mapping[str, str]) -> Module:
    reference = str(statement.pos.ref)
    return Module(
        name=str(statement.arg),
        revision=revision_of(statement),
        namespace=module.namespace,
        prefix=argument(statement.search_one("belongs-to"), "prefix") or "",
        source=reference,
        implemented=module.implemented,
        belongs_to=module.name,
        text=texts.get(reference, ""),
    )


def _deviations(modules: Iterable[Statement]) -> dict[str, set[str]]:
    """Names of deviating modules by the name of the module they deviate."""
    found: dict[str, set[str]] = {}
    for module in modules:
        for deviation in module.search("deviation"):
            found.setdefault(module_of(deviation.i_target_node), set()).add(module.arg)
    return found


def _unique_prefixes(described: Mapping[str, Module]) -> dict[str, str]:
    """A prefix for each module: its own, or with a number if a module before it has that; implemented ones first."""
    prefixes: dict[str, str] = {}
    mains = [module for module in described.values() if not module.belongs_to]
    for module in sorted(mains, key=lambda module: not module.implemented):
        candidates = (f"{module.prefix}{number or ''}" for number in itertools.count())
        taken = set(prefixes.values())
        prefixes.setdefault(module.name, next(prefix for prefix in candidates if prefix not in taken))
    return prefixes
