"""For tests of the ipsec room: configurations in short XML, a gateway with a simulated backend, and its rules alone."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from lxml import etree

from cryptomap.data.diff import diff
from cryptomap.data.edit import edit
from cryptomap.data.tree import Node
from cryptomap.data.validation import Snapshot, empty_snapshot, validate
from cryptomap.data.view import View
from cryptomap.data.xml import WriteOptions, write
from cryptomap.datastore.datastores import Datastores
from cryptomap.datastore.events import Committed
from cryptomap.datastore.statedir import StateDirectory
from cryptomap.datastore.transaction import Origin, Transition
from cryptomap.errors import RpcError, RpcErrors
from cryptomap.ipsec.gateway import Gateway
from cryptomap.ipsec.platform import Facts, Surroundings
from cryptomap.ipsec.rules import findings
from cryptomap.ipsec.scope import Policy, Scope, Scopes
from cryptomap_backend import simulator
from cryptomap_backend.intent import Intent, TunnelId
from support.stores import ALICE, VAULT, Clock
from support.yang import product_schema

SAMPLES = Path(__file__).parents[2] / "samples"
NC = "urn:ietf:params:xml:ns:netconf:base:1.0"
URN = "urn:cryptomap:yang:cryptomap"
LOOPBACK = "saegw-l1l-loopback-ipv4"
FOO0 = TunnelId("ipsec-d", "foo0", LOOPBACK)
FOO1 = TunnelId("ipsec-d", "foo1", LOOPBACK)


# ===== configurations =====


def sample(name: str) -> etree._Element:
    """The config element of a sample file."""
    return etree.parse(str(SAMPLES / f"{name}.xml")).getroot()


def config(inner: str) -> etree._Element:
    """A config element; ``nc`` is bound for operations, ``t`` for identities."""
    return etree.fromstring(f'<config xmlns="{NC}" xmlns:nc="{NC}" xmlns:t="{URN}-types">{inner}</config>')


def contexts(*inner: str) -> str:
    return f'<contexts xmlns="{URN}-context">{"".join(inner)}</contexts>'


def context(name: str, *inner: str) -> str:
    return f"<context><name>{name}</name>{''.join(inner)}</context>"


def leafs(**values: object) -> str:
    """``dscp=40`` -> ``<dscp>40</dscp>``; ``None`` leaves out."""
    named = {name.replace("_", "-"): value for name, value in values.items() if value is not None}
    return "".join(f"<{name}>{value}</{name}>" for name, value in named.items())


def acl(name: str, source: str = "192.0.2.1/32", destination: str = "198.51.100.1/32", rule: str = "") -> str:
    ends = f"<source>{leafs(prefix=source)}</source><destination>{leafs(prefix=destination)}</destination>"
    family = leafs(family="ipv6") if ":" in source else ""
    return (
        f'<access-list xmlns="{URN}-acl"><name>{name}</name>{family}'
        f"<rule><name>r</name>{rule}{ends}</rule></access-list>"
    )


def ike_set(name: str = "ike", **values: object) -> str:
    inner = leafs(name=name, **values)
    return f'<ikev2-ikesa-transform-set xmlns="{URN}-ipsec">{inner}</ikev2-ikesa-transform-set>'


def esp_set(name: str = "esp", **values: object) -> str:
    return f'<ipsec-transform-set xmlns="{URN}-ipsec">{leafs(name=name, **values)}</ipsec-transform-set>'


KEYS = (
    "<authentication><local><pre-shared-key>secret</pre-shared-key></local>"
    "<remote><pre-shared-key>secret</pre-shared-key></remote></authentication>"
)


def ikev2(
    *, sets: tuple[str, ...] = ("esp",), match: str = "ipv4", ikesa: str = "", payload: str = "", more: str = ""
) -> str:
    """The container of a map or template."""
    listed = "".join(leafs(transform_set=name) for name in sets)
    return (
        f"<ikev2>{KEYS}<ikev2-ikesa>{leafs(transform_set='ike')}{ikesa}</ikev2-ikesa>"
        f"<payload>{leafs(name='p', match=match)}{listed}{payload}</payload>{more}</ikev2>"
    )


def crypto_map(
    name: str = "m",
    *,
    type: str = "ikev2-ipv4",
    acl: str | None = "a",
    peer: str | None = "203.0.113.1",
    inner: str | None = None,
) -> str:
    head = leafs(name=name, type=type, match_address=acl, peer=peer)
    return f'<crypto-map xmlns="{URN}-ipsec">{head}{ikev2() if inner is None else inner}</crypto-map>'


def manual(sets: tuple[str, ...] = ("esp",), cipher: int = 16, auth: int = 20, spi: int = 256) -> str:
    """The container of a manual map with keys of so many octets."""

    def keys(first: int) -> str:
        return leafs(spi=first, cipher_key=_octets(cipher, first), authenticator_key=_octets(auth, first))

    listed = "".join(leafs(transform_set=name) for name in sets)
    sessions = f"<session-key><inbound>{keys(spi)}</inbound><outbound>{keys(spi + 1)}</outbound></session-key>"
    return f"<manual>{listed}{sessions}</manual>"


def _octets(count: int, seed: int) -> str | None:
    return ":".join(f"{(seed + n) % 256:02x}" for n in range(count)) or None


def binding(name: str = "m", inner: str = "") -> str:
    return f'<crypto-map xmlns="{URN}-ipsec"><name>{name}</name>{inner}</crypto-map>'


def interface(name: str = "if", *bound: str, address: str = "192.0.2.254", inner: str = "") -> str:
    family = "ipv6" if ":" in address else "ipv4"
    body = f"{inner}<{family}>{leafs(address=address)}</{family}>{''.join(bound)}"
    return f"<interface><name>{name}</name>{body}</interface>"


def application(name: str, type: str, *, protected_by: tuple[str, str] | None = None, **values: object) -> str:
    by = (
        f"<protected-by>{leafs(context=protected_by[0], crypto_map=protected_by[1])}</protected-by>"
        if protected_by
        else ""
    )
    inner = f"{leafs(name=name, type=f't:{type}', **values)}{by}"
    return f'<application xmlns="{URN}-application">{inner}</application>'


def qos(*inner: str) -> str:
    return f'<qos xmlns="{URN}-qos">{"".join(inner)}</qos>'


def bundle(name: str = "red", *more: str, dscp: int | None = None, **esp: object) -> str:
    """A context with one crypto map ``m``, bound to ``if``, and what it needs."""
    needs = acl("a"), ike_set(group=14), esp_set(dscp=dscp, **esp)
    return context(name, interface("if", binding("m")), *needs, crypto_map(), *more)


# ===== rules alone =====


class Desk:
    """Commits on paper: validation and rules, no datastore and no backend."""

    def __init__(self, facts: Facts | None = None, policy: Policy | None = None, **settings: object) -> None:
        self.schema = product_schema()
        surroundings = Surroundings(simulator.create(settings), facts or Facts())
        self.scopes = Scopes(self.schema, surroundings, policy or Policy(), VAULT)
        self.running = empty_snapshot(self.schema)

    def edited(self, inner: str | etree._Element) -> Snapshot:
        """Running with an edit. Raises RpcErrors where YANG refuses."""
        element = config(inner) if isinstance(inner, str) else inner
        return validate(self.schema, edit(self.schema, self.running.root, element, seal=VAULT), self.running)

    def transition(self, new: Snapshot, kind: str = "commit", user: str = "alice") -> Transition:
        changes = tuple(diff(self.running.root, new.root))
        return Transition(self.running, new, changes, Origin(user, 1, kind=kind))

    def load(self, inner: str | etree._Element) -> Scope:
        """Make it running without asking any rule; answers the scope of the change."""
        transition = self.transition(self.edited(inner))
        self.running = transition.new
        return self.scopes.of(transition)

    def findings(self, inner: str | etree._Element, kind: str = "commit", user: str = "alice") -> list[RpcError]:
        """What rules, of YANG and of ours, say to an edit of running, which stays as it is."""
        try:
            new = self.edited(inner)
        except RpcErrors as errors:
            return list(errors.errors)
        return list(findings(self.scopes.of(self.transition(new, kind, user))))

    def about(self, app_tag: str, inner: str | etree._Element, **options: str) -> list[tuple[str, str, str]]:
        """(severity, error-tag, error-path) of each finding with that error-app-tag."""
        found = [error for error in self.findings(inner, **options) if error.app_tag == app_tag]
        return [(error.severity, error.tag, str(error.path)) for error in found]

    def errors(self, inner: str | etree._Element) -> list[RpcError]:
        return [error for error in self.findings(inner) if error.severity == "error"]


# ===== the whole room =====


class Inline:
    """A writer without a thread of its own."""

    def submit(self, function: Callable[..., Any], *args: Any) -> Future[Any]:
        future: Future[Any] = Future()
        try:
            future.set_result(function(*args))
        except BaseException as fault:
            future.set_exception(fault)
        return future


@dataclass
class Site:
    """A gateway, its datastores in a directory, and a simulated backend that survives a restart of them."""

    directory: Path
    policy: Policy = field(default_factory=Policy)
    facts: Facts = field(default_factory=Facts)
    clock: Clock = field(default_factory=Clock)
    settings: dict[str, object] = field(default_factory=lambda: {"seed": 1})

    def __post_init__(self) -> None:
        self.schema = product_schema()
        self.backend = simulator.create(self.settings, self.clock.time)
        self.notifications: list[Node] = []
        self._open()

    def _open(self) -> None:
        self.gateway = Gateway(self.schema, self.backend, VAULT, self.facts, self.policy, self.clock)
        self.datastores = Datastores(
            self.schema,
            StateDirectory(self.directory),
            VAULT,
            participants=[self.gateway.participant],
            checks=[self.gateway.check],
            clock=self.clock,
            background=lambda work: work(),
        )
        self.gateway.attach(self.datastores, Inline())  # type: ignore[arg-type]
        self.datastores.subscribe(self.gateway.listener(self.notifications.append))
        self.datastores.start()

    def restart(self) -> None:
        self.datastores.close()
        self._open()

    @property
    def intent(self) -> Intent:
        return self.gateway.intent

    @property
    def world(self) -> simulator.World:
        world = self.backend.world
        assert isinstance(world, simulator.World)
        return world

    def edit(self, inner: str | etree._Element) -> None:
        self.datastores.edit(ALICE, "candidate", config(inner) if isinstance(inner, str) else inner)

    def commit(self, inner: str | etree._Element | None = None) -> Committed | None:
        if inner is not None:
            self.edit(inner)
        try:
            return self.datastores.commit(ALICE)
        except Exception:
            self.datastores.discard(ALICE)
            raise

    def hear(self) -> list[Node]:
        """What the backend's events so far are announced as."""
        heard: list[Node] = []
        for event in self.backend.events():
            self.gateway.heard(event, heard.append)
        return heard

    def act(self, action: str, path: str, *keys: str, **given: object) -> Node | None:
        """Perform an action on an instance, ``path`` below a context."""
        schema = self.schema.find(f"cryptomap-context:contexts/context{path}")
        operation = next(found for found in schema.operations.values() if found.name == action)  # type: ignore[attr-defined]
        rest = iter(keys)
        steps, node = [], schema
        while node.parent is not None:
            steps.append(node)
            node = node.parent
        instance = tuple((step, next(rest) if hasattr(step, "keys") else None) for step in reversed(steps))
        slots = [
            None if given.get(child.name) is None else str(given[child.name]) for child in operation.input.children
        ]
        return self.gateway.handlers()[operation.path](instance, Node(operation.input, tuple(slots)), ALICE)

    def reapply(self, tunnel: TunnelId) -> str | None:
        path = "/interface/cryptomap-ipsec:crypto-map"
        output = self.act("reapply", path, tunnel.context, tunnel.interface, tunnel.crypto_map)
        return output.text("result") if output else None

    def state(self, path: str) -> etree._Element:
        """Everything a client can read, as XML, from the element at an XPath without namespaces on."""
        view = View(self.datastores.running.root, self.gateway.providers(), schema=self.schema)
        xml = b"".join(write(self.schema, view, WriteOptions()))
        assert view.faults == [], view.faults
        root = etree.fromstring(b"<data>" + xml + b"</data>")
        for element in root.iter(etree.Element):
            element.tag = etree.QName(element).localname
        found = root.xpath(path)
        assert found, etree.tostring(root, pretty_print=True).decode()
        return found[0]


def values(element: etree._Element) -> dict[str, str]:
    """The leafs right below an element."""
    return {child.tag: child.text or "" for child in element if not len(child)}
