"""Show commands, rendered from trees that hold state. One table names them all."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from cryptomap.data.tree import Node
from cryptomap.schema.nodes import Schema
from cryptomap.staros.paths import entries_at, node_at, text_at
from cryptomap.staros.show.crypto_map import show_crypto_map
from cryptomap.staros.show.qos import show_l2_table, show_qos_mapping
from cryptomap.staros.show.security_associations import show_ike_sas, show_ipsec_sas
from cryptomap.staros.text import Refusal, Tokens, find_by_words, is_short_for
from cryptomap.staros.writer import export_text

__all__ = [
    "ShowFault",
    "filter_of",
    "show",
    "show_configuration",
    "show_crypto_map",
    "show_ike_sas",
    "show_ipsec_sas",
    "show_l2_table",
    "show_qos_mapping",
    "show_words",
    "what_it_reads",
]

CONTEXTS = "cryptomap-context:contexts"
QOS = "cryptomap-qos:qos"
MAPS = "cryptomap-ipsec:crypto-map"


class ShowFault(ValueError):
    """There is no such show command, or nothing of that name to show."""


def show(schema: Schema, root: Node, words: Sequence[str]) -> str:
    """The output of a show command, given without the word ``show`` and possibly abbreviated, on a tree that holds what
    :func:`what_it_reads` names. Raises ShowFault."""
    command, name = _parsed(words)
    return command.render(schema, root, name)


def what_it_reads(words: Sequence[str]) -> tuple[str, ...]:
    """The top-level nodes, configuration and state, that a show command needs, as ``module:name``. Raises ShowFault."""
    return _parsed(words)[0].reads


def filter_of(schema: Schema, words: Sequence[str]) -> str:
    """The same as a subtree filter of a get. Raises ShowFault."""
    names = [name.partition(":") for name in what_it_reads(words)]
    return "".join([f'<{local} xmlns="{schema.namespace_of_module[module]}"/>' for module, _, local in names])


def show_words(words: Sequence[str]) -> tuple[str, ...]:
    """What can follow the first words of a show command, for completion; nothing if they are wrong."""
    known = [tuple(command.words.split()) for command in _SHOWS]
    fitting = [parts for parts in known if len(parts) > len(words) and all(map(is_short_for, words, parts))]
    if fitting:
        return tuple(dict.fromkeys([parts[len(words)] for parts in fitting]))
    whole = [command for command in _SHOWS if len(command.words.split()) == len(words)]
    return ("tag",) if any(command.name == "optional" and _fits(command, words) for command in whole) else ()


def _fits(command: _Show, words: Sequence[str]) -> bool:
    return all(map(is_short_for, words, command.words.split()))


def show_configuration(schema: Schema, root: Node) -> str:
    """``show configuration``: the canonical text."""
    return export_text(schema, root).text


@dataclass(frozen=True, slots=True)
class _Show:
    """A show command. ``name`` says whether a name follows: ``required``, ``optional`` after ``tag``, or ``none``."""

    words: str
    reads: tuple[str, ...]
    render: Callable[[Schema, Node, str | None], str]
    name: str = "none"


def _crypto_maps(schema: Schema, root: Node, tag: str | None) -> str:
    contexts = node_at(root, CONTEXTS)
    found = [
        show_crypto_map(crypto_map, context)
        for context in ([] if contexts is None else entries_at(contexts, "context").nodes())
        for crypto_map in entries_at(context, MAPS).nodes()
        if tag is None or text_at(crypto_map, "name") == tag
    ]
    if tag is not None and not found:
        raise ShowFault(f"there is no crypto map {tag}")
    return "\n".join(found)


def _ike_sas(schema: Schema, root: Node, tag: str | None) -> str:
    return show_ike_sas(node_at(root, CONTEXTS), tag)


def _ipsec_sas(schema: Schema, root: Node, tag: str | None) -> str:
    return show_ipsec_sas(node_at(root, CONTEXTS), tag)


def _mapping(schema: Schema, root: Node, name: str | None) -> str:
    return show_qos_mapping(node_at(root, QOS))


def _table(schema: Schema, root: Node, name: str | None) -> str:
    assert name is not None
    qos = node_at(root, QOS)
    table = None if qos is None else entries_at(qos, "l2-mapping-table").get(name)
    if table is None:
        raise ShowFault(f"there is no l2-mapping-table {name}")
    return show_l2_table(table, name)


def _system_default(schema: Schema, root: Node, name: str | None) -> str:
    return show_l2_table(node_at(root, f"{QOS}/system-default-l2-mapping-table"), "system-default")


def _configuration(schema: Schema, root: Node, name: str | None) -> str:
    return show_configuration(schema, root)


_SHOWS = (
    _Show("crypto map", (CONTEXTS,), _crypto_maps, "optional"),
    _Show("crypto ikev2-ikesa security-associations", (CONTEXTS,), _ike_sas, "optional"),
    _Show("crypto ipsec security-associations", (CONTEXTS,), _ipsec_sas, "optional"),
    _Show("qos ip-dscp-iphb-mapping", (QOS,), _mapping),
    _Show("qos l2-mapping-table name", (QOS,), _table, "required"),
    _Show("qos l2-mapping-table system-default", (QOS,), _system_default),
    _Show("configuration", (CONTEXTS, QOS), _configuration),
)


def _parsed(words: Sequence[str]) -> tuple[_Show, str | None]:
    tokens = Tokens(words)
    known = ", ".join(command.words for command in _SHOWS)
    try:
        [command] = find_by_words(
            tokens, [(tuple(item.words.split()), item) for item in _SHOWS], f"show commands are: {known}"
        )
        name = None
        if command.name == "required" or (command.name == "optional" and tokens.skip("tag")):
            name = tokens.take("a name")
    except Refusal as refusal:
        raise ShowFault(refusal.reason) from None
    if not tokens.is_done:
        raise ShowFault(f"'{tokens.peek()}' is not expected after 'show {command.words}'")
    return command, name
