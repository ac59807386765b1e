"""The table of the show commands: their words, what they read, and who renders it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final
from xml.sax.saxutils import escape

from cryptomap.data.tree import Node
from cryptomap.schema.nodes import Schema
from cryptomap.staros.paths import entries_at, node_at, text_at
from cryptomap.staros.show.crypto_map import show_crypto_map
from cryptomap.staros.show.objects import (
    show_ike_sets,
    show_ipsec_sets,
    show_managers,
    show_statistics,
    show_templates,
)
from cryptomap.staros.show.qos import show_l2_table, show_qos_mapping
from cryptomap.staros.show.security_associations import (
    show_ike_sas,
    show_ike_summary,
    show_ipsec_sas,
    show_ipsec_summary,
)
from cryptomap.staros.text import Refusal, Tokens, find_by_words, is_short_for
from cryptomap.staros.writer import export_text

__all__ = ["SHOWS", "Show", "ShowFault", "found_show", "words_after"]

CONTEXTS: Final = "cryptomap-context:contexts"
QOS: Final = "cryptomap-qos:qos"
MAPS: Final = "cryptomap-ipsec:crypto-map"
_URN: Final = "urn:cryptomap:yang:cryptomap"
_QOS: Final = f'<qos xmlns="{_URN}-qos"/>'


class ShowFault(ValueError):
    """There is no such show command, or nothing of that name to show."""


def _of_contexts(*inner: str) -> str:
    """A filter for these children of all contexts."""
    return f'<contexts xmlns="{_URN}-context"><context><name/>{"".join(inner)}</context></contexts>'


def _ipsec(node: str, name: str | None = None) -> str:
    """A filter for all entries of a list of module cryptomap-ipsec, or the one of that name."""
    inner = "" if name is None else f"<name>{escape(name)}</name>"
    return f'<{node} xmlns="{_URN}-ipsec">{inner}</{node}>'


def _maps(tag: str | None) -> str:
    return _of_contexts(f'<access-list xmlns="{_URN}-acl"/>', _ipsec("crypto-map", tag))


def _tunnels(tag: str | None) -> str:
    return _of_contexts(f"<interface><name/>{_ipsec('crypto-map', tag)}</interface>")


def _everything(name: str | None) -> str:
    return f'<contexts xmlns="{_URN}-context"/>{_QOS}'


def _qos(name: str | None) -> str:
    return _QOS


def _templates(name: str | None) -> str:
    return _of_contexts(_ipsec("crypto-template", name), _ipsec("ipsec-transform-set"))


@dataclass(frozen=True, slots=True)
class Show:
    """A show command. ``name`` says whether a name follows: ``required``, ``optional`` after ``tag``, or ``none``;
    ``reads`` is the subtree filter of what it reads, given that name."""

    words: str
    reads: Callable[[str | None], str]
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


def _table(schema: Schema, root: Node, name: str | None) -> str:
    assert name is not None
    qos = node_at(root, QOS)
    table = None if qos is None else entries_at(qos, "l2-mapping-table").get(name)
    if table is None:
        raise ShowFault(f"there is no l2-mapping-table {name}")
    return show_l2_table(table, name)


def _mapping(schema: Schema, root: Node, name: str | None) -> str:
    return show_qos_mapping(node_at(root, QOS))


def _system_default(schema: Schema, root: Node, name: str | None) -> str:
    return show_l2_table(node_at(root, f"{QOS}/system-default-l2-mapping-table"), "system-default")


def _configuration(schema: Schema, root: Node, name: str | None) -> str:
    return export_text(schema, root).text


def _of(render: Callable[[Node | None, str | None], str]) -> Callable[[Schema, Node, str | None], str]:
    """What renders the container ``contexts``."""

    def rendered(schema: Schema, root: Node, name: str | None) -> str:
        return render(node_at(root, CONTEXTS), name)

    return rendered


def _managers(contexts: Node | None, name: str | None) -> str:
    return show_managers(contexts)


SHOWS: Final = (
    Show("crypto map", _maps, _crypto_maps, "optional"),
    Show("crypto template", _templates, _of(show_templates), "optional"),
    Show("crypto ikev2-ikesa security-associations", _tunnels, _of(show_ike_sas), "optional"),
    Show("crypto ikev2-ikesa security-associations summary", _tunnels, _of(show_ike_summary), "optional"),
    Show(
        "crypto ikev2-ikesa transform-set",
        lambda name: _of_contexts(_ipsec("ikev2-ikesa-transform-set", name)),
        _of(show_ike_sets),
        "optional",
    ),
    Show("crypto ipsec security-associations", _tunnels, _of(show_ipsec_sas), "optional"),
    Show("crypto ipsec security-associations summary", _tunnels, _of(show_ipsec_summary), "optional"),
    Show(
        "crypto ipsec transform-set",
        lambda name: _of_contexts(_ipsec("ipsec-transform-set", name)),
        _of(show_ipsec_sets),
        "optional",
    ),
    Show("crypto managers", lambda name: _of_contexts(_ipsec("crypto-map")), _of(_managers)),
    Show("crypto statistics ikev2", _tunnels, _of(show_statistics), "optional"),
    Show("qos ip-dscp-iphb-mapping", _qos, _mapping),
    Show("qos l2-mapping-table name", _qos, _table, "required"),
    Show("qos l2-mapping-table system-default", _qos, _system_default),
    Show("configuration", _everything, _configuration),
)


def found_show(words: Sequence[str]) -> tuple[Show, str | None]:
    """The command that these words are, possibly abbreviated, and the name in them. Raises ShowFault."""
    tokens = Tokens(words)
    known = ", ".join(command.words for command in SHOWS)
    try:
        [command] = find_by_words(
            tokens, [(tuple(item.words.split()), item) for item in SHOWS], f"show commands are: {known}"
        )
        name = None
        if command.name == "required" or (command.name == "optional" and tokens.skip("tag")):
            name = tokens.take("a name")
    except Refusal as refusal:
        raise ShowFault(refusal.reason) from None
    if not tokens.is_done:
        raise ShowFault(f"'{tokens.peek()}' is not expected after 'show {command.words}'")
    return command, name


def words_after(words: Sequence[str]) -> tuple[str, ...]:
    """What can follow the first words of a show command, for completion; nothing if they are wrong."""
    known = [(command, command.words.split()) for command in SHOWS]
    longer = [parts[len(words)] for _, parts in known if len(parts) > len(words) and _fits(words, parts)]
    tags = [command for command, parts in known if len(parts) == len(words) and _fits(words, parts)]
    tag = ["tag"] if any(command.name == "optional" for command in tags) else []
    return tuple(dict.fromkeys([*longer, *tag]))


def _fits(words: Sequence[str], parts: Sequence[str]) -> bool:
    return all(map(is_short_for, words, parts))
