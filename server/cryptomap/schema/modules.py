"""YANG modules by name -> a :class:`Schema`.

Modules asked for by name and all those in the user's directories are implemented; an imported module is implemented too
if an implemented one augments it, deviates it or refers to its nodes (RFC 7950 section 5.6.5), otherwise only its
typedefs, groupings and extensions count.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from pathlib import Path

from cryptomap.schema.faults import SchemaFault
from cryptomap.schema.nodes import Schema
from cryptomap.schema.sources import Source, find_sources, own_directory, read_directory

__all__ = [
    "IETF_MODULES",
    "RESTCONF_MODULES",
    "SchemaFault",
    "default_module_names",
    "load",
    "load_sources",
    "own_module_names",
]

IETF_MODULES = (
    "iana-crypt-hash",
    "ietf-yang-types",
    "ietf-inet-types",
    "ietf-netconf",
    "ietf-netconf-acm",
    "ietf-netconf-monitoring",
    "ietf-netconf-notifications",
    "ietf-netconf-with-defaults",
    "ietf-datastores",
    "ietf-origin",
    "ietf-netconf-nmda",
    "ietf-netconf-partial-lock",
    "ietf-netconf-private-candidate",
    "ietf-nmda-compare",
    "ietf-subscribed-notifications",
    "ietf-system",
    "ietf-yang-push",
    "ietf-yang-library",
    "nc-notifications",
    "notifications",
)
"""What the server itself needs besides its own modules. Those that pyang does not have are in ``yang/ietf``."""

RESTCONF_MODULES = ("ietf-restconf", "ietf-restconf-monitoring", "ietf-yang-patch")
"""What it needs besides when it is asked over HTTP."""


def own_module_names() -> list[str]:
    """The names of the project's own modules, sorted."""
    own = own_directory()
    return sorted(item.name for item in read_directory(own) if item.path.parent == own and not item.is_submodule)


def default_module_names() -> list[str]:
    """What a server implements if nothing else is asked for: its own modules and :data:`IETF_MODULES`."""
    return [*own_module_names(), *IETF_MODULES]


def load(
    names: Sequence[str],
    yang_dirs: Sequence[Path] = (),
    features: Mapping[str, Collection[str]] | None = None,
) -> Schema:
    """Compile the named modules and all modules in ``yang_dirs``.

    ``features`` maps module names to the features that are on there; a module missing in it has all of its features on,
    except ``schema.features.FEATURES_OFF``. Raises SchemaFault with one line for anything wrong with the modules.
    """
    return load_sources(names, *find_sources(yang_dirs), features)


def load_sources(
    names: Sequence[str],
    users: Sequence[Source],
    others: Sequence[Source],
    features: Mapping[str, Collection[str]] | None = None,
) -> Schema:
    """:func:`load` with the module files already read: those of the user, which are all implemented, and others."""
    # pyang takes a tenth of a second to import; a server that finds its schema in the cache never needs it.
    from cryptomap.schema import build

    wanted = [*names, *sorted(source.name for source in users if not source.is_submodule)]
    return build.build(list(dict.fromkeys(wanted)), [*users, *others], features or {})
