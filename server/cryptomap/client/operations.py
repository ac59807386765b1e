"""What an operator asks of a cryptomapd besides the standard operations: the rpcs of its module cryptomap-server and
its actions, as calls with plain answers. Every call raises as :meth:`Client.rpc` does."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final
from xml.sax.saxutils import escape

from lxml import etree

from cryptomap.client.connection import Client

__all__ = [
    "Commit",
    "Difference",
    "Effect",
    "Finding",
    "Plan",
    "Trace",
    "cancel_commit",
    "commit",
    "commits",
    "compare_commits",
    "get_commit",
    "plan",
    "reapply",
    "rollback_to",
    "show",
    "trace_packet",
]

SERVER: Final = "urn:cryptomap:yang:cryptomap-server"
CONTEXTS: Final = "urn:cryptomap:yang:cryptomap-context"
IPSEC: Final = "urn:cryptomap:yang:cryptomap-ipsec"
TRACE: Final = "urn:cryptomap:yang:cryptomap-trace"


@dataclass(frozen=True, slots=True)
class Commit:
    """One commit of the history. ``time`` is a yang:date-and-time; the counts are of nodes and subtrees."""

    id: int
    time: str
    username: str
    source: str
    kind: str
    message: str
    created: int
    modified: int
    deleted: int


@dataclass(frozen=True, slots=True)
class Finding:
    """What a rule says. ``tag`` is the error-tag of a refusal, empty for a warning."""

    rule: str
    path: str
    message: str
    tag: str = ""


@dataclass(frozen=True, slots=True)
class Effect:
    """What becomes of one tunnel (``where`` = context, crypto map, interface) or service (context, name)."""

    where: tuple[str, ...]
    effect: str
    reasons: tuple[str, ...]
    drops: int
    reapply_pending: bool = False


@dataclass(frozen=True, slots=True)
class Plan:
    """What a commit would do. Not ``accepted``: nothing, for the ``refusals``."""

    accepted: bool
    refusals: tuple[Finding, ...]
    warnings: tuple[Finding, ...]
    tree: str
    tunnels: tuple[Effect, ...]
    services: tuple[Effect, ...]
    marking: bool
    limits: tuple[str, ...]

    @property
    def drops(self) -> int:
        """Established SAs that go without a successor."""
        return sum(effect.drops for effect in (*self.tunnels, *self.services))


@dataclass(frozen=True, slots=True)
class Difference:
    """What differs, for people and (``change``, an XML element or empty) for edit-config."""

    lines: str
    tree: str
    change: str
    staros: str


@dataclass(frozen=True, slots=True)
class Trace:
    """The way of a packet: (step, result, path of what decided it or empty)."""

    steps: tuple[tuple[str, str, str], ...]
    protected: bool
    reason: str


# ===== plan and show =====


async def plan(client: Client, to: int | None = None) -> Plan:
    """What committing the candidate would do, or (``to``) rolling back to a commit."""
    reply = await client.rpc(_rpc("plan", commit=to))
    return Plan(
        accepted=_text(reply, "accepted") == "true",
        refusals=tuple(_findings(reply, "refusal")),
        warnings=tuple(_findings(reply, "warning")),
        tree=_text(reply, "tree"),
        tunnels=tuple(_effects(reply, "tunnel", ("context", "crypto-map", "interface"))),
        services=tuple(_effects(reply, "service", ("context", "name"))),
        marking=reply.find(f"{{{SERVER}}}marking") is not None,
        limits=tuple([limit.text or "" for limit in reply.iterfind(f"{{{SERVER}}}limit")]),
    )


async def show(client: Client, words: Sequence[str]) -> str:
    """The output of a StarOS show command."""
    return _text(await client.rpc(_rpc("show", command=" ".join(words))), "text")


def _findings(reply: etree._Element, kind: str) -> Iterator[Finding]:
    for found in reply.iterfind(f"{{{SERVER}}}{kind}"):
        yield Finding(*[_text(found, leaf) for leaf in ("rule", "path", "message", "error-tag")])


def _effects(reply: etree._Element, kind: str, keys: Sequence[str]) -> Iterator[Effect]:
    for found in reply.iterfind(f"{{{SERVER}}}{kind}"):
        yield Effect(
            tuple([_text(found, key) for key in keys]),
            _text(found, "effect"),
            tuple([reason.text or "" for reason in found.iterfind(f"{{{SERVER}}}reason")]),
            _number(found, "dropped-sas"),
            _text(found, "reapply-pending") == "true",
        )


# ===== commits =====


async def commit(
    client: Client,
    *,
    message: str = "",
    confirmed: int | None = None,
    persist: str | None = None,
    persist_id: str | None = None,
) -> None:
    """Commit the candidate, with a remark; ``confirmed``: for so many seconds, unless it is confirmed."""
    inner = "" if confirmed is None else f"<confirmed/><confirm-timeout>{confirmed}</confirm-timeout>"
    inner += "" if persist is None else f"<persist>{escape(persist)}</persist>"
    inner += "" if persist_id is None else f"<persist-id>{escape(persist_id)}</persist-id>"
    inner += f'<message xmlns="{SERVER}">{escape(message)}</message>' if message else ""
    await client.rpc(f"<commit>{inner}</commit>")


async def cancel_commit(client: Client, persist_id: str | None = None) -> None:
    """Go back to before the confirmed commit that waits."""
    inner = "" if persist_id is None else f"<persist-id>{escape(persist_id)}</persist-id>"
    await client.rpc(f"<cancel-commit>{inner}</cancel-commit>")


async def commits(client: Client, limit: int = 20, before: int | None = None) -> list[Commit]:
    """The last commits below id ``before``, newest first."""
    reply = await client.rpc(_rpc("list-commits", limit=limit, before=before))
    return [_commit(found) for found in reply.iterfind(f"{{{SERVER}}}commit")]


async def get_commit(client: Client, number: int) -> tuple[Commit, Difference]:
    """One commit and what it changed."""
    reply = await client.rpc(_rpc("get-commit", commit=number))
    return _commit(reply), _difference(reply)


async def compare_commits(client: Client, old: int, new: int | None = None, *, staros: bool = False) -> Difference:
    """What differs between the configurations after two commits; ``new`` None: running."""
    reply = await client.rpc(_rpc("compare-commits", **{"from": old, "to": new, "staros": "" if staros else None}))
    return _difference(reply)


async def rollback_to(client: Client, number: int, message: str = "") -> int | None:
    """Make the configuration after a commit running again; the commit that did it, if there was anything to do."""
    reply = await client.rpc(_rpc("rollback-to", commit=number, message=message or None))
    return int(_text(reply, "commit")) if _text(reply, "commit") else None


def _commit(found: etree._Element) -> Commit:
    time, username, source, kind, message = (
        _text(found, leaf) for leaf in ("time", "username", "source", "kind", "message")
    )
    created, modified, deleted = (_number(found, leaf) for leaf in ("created", "modified", "deleted"))
    return Commit(_number(found, "id"), time, username, source, kind, message, created, modified, deleted)


def _difference(reply: etree._Element) -> Difference:
    config = reply.find(f"{{{SERVER}}}change/*")
    change = "" if config is None else etree.tostring(config, encoding="unicode", with_tail=False)
    return Difference(_text(reply, "diff"), _text(reply, "tree"), change, _text(reply, "staros"))


# ===== actions =====


async def reapply(client: Client, context: str, interface: str, crypto_map: str) -> str:
    """Make the configured DSCPs of a bound crypto map those of its SAs; what came of it."""
    inner = _keyed("interface", interface, _keyed(f'crypto-map xmlns="{IPSEC}"', crypto_map, "<reapply/>"))
    reply = await client.rpc(_action(context, inner))
    return reply.findtext(f".//{{{IPSEC}}}result") or ""


async def trace_packet(client: Client, context: str, packet: Mapping[str, object]) -> Trace:
    """The way of a packet, described by the leafs of the action's input; those that are ``None`` are not known."""
    reply = await client.rpc(_action(context, f'<trace-packet xmlns="{TRACE}">{_leafs(packet)}</trace-packet>'))
    steps = [
        tuple([step.findtext(f"{{{TRACE}}}{leaf}", "") for leaf in ("name", "result", "decided-by")])
        for step in reply.iterfind(f".//{{{TRACE}}}step")
    ]
    protected, reason = (reply.findtext(f".//{{{TRACE}}}{leaf}", "") for leaf in ("protected", "reason"))
    return Trace(tuple([(name, result, by) for name, result, by in steps]), protected == "true", reason)


def _action(context: str, inner: str) -> str:
    entry = _keyed("context", context, inner)
    return f'<action xmlns="urn:ietf:params:xml:ns:yang:1"><contexts xmlns="{CONTEXTS}">{entry}</contexts></action>'


def _keyed(tag: str, name: str, inner: str) -> str:
    return f"<{tag}><name>{escape(name)}</name>{inner}</{tag.partition(' ')[0]}>"


# ===== helpers =====


def _rpc(name: str, **given: object) -> str:
    return f'<{name} xmlns="{SERVER}">{_leafs(given)}</{name}>'


def _leafs(values: Mapping[str, object]) -> str:
    return "".join([f"<{name}>{escape(str(value))}</{name}>" for name, value in values.items() if value is not None])


def _text(parent: etree._Element, leaf: str) -> str:
    return parent.findtext(f"{{{SERVER}}}{leaf}") or ""


def _number(parent: etree._Element, leaf: str) -> int:
    return int(_text(parent, leaf) or 0)
