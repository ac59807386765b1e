"""What commit rules look at: one change, its surroundings, and everything it can affect. Made once a transition."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property

from cryptomap.data import values
from cryptomap.data.tree import Key, Node
from cryptomap.data.validation import Snapshot, empty_snapshot
from cryptomap.datastore.transaction import Origin, Transition
from cryptomap.errors import ErrorPath
from cryptomap.ipsec import marking, nouns
from cryptomap.ipsec.keys import Secrets
from cryptomap.ipsec.names import CONTEXTS, Config, Kind, Named, leaf_at, where
from cryptomap.ipsec.neighbours import Neighbours
from cryptomap.ipsec.platform import Facts, Surroundings
from cryptomap.ipsec.read import Reader, followed
from cryptomap.ipsec.touched import Touched, affected_by, everything, objects_at, touched_by
from cryptomap.schema.nodes import Schema
from cryptomap_backend.capabilities import Capabilities
from cryptomap_backend.change import Change, change_of
from cryptomap_backend.intent import EspProposal, Intent, Responder, ResponderId, Tunnel, TunnelId

__all__ = ["Policy", "Scope", "Scopes", "protector"]

COMPARING_KINDS = ("commit",)
"""Origins for which rules that compare with running count. A start-up has nothing to compare with, and a revert or a
rollback goes back to what once was accepted."""


def _nobody(_user: str) -> bool:
    return False


@dataclass(frozen=True, slots=True)
class Policy:
    """What the operator decides about rules. ``day1``: "warn" accepts a late first DSCP, "enforce" refuses it."""

    day1: str = "warn"
    is_recovery_user: Callable[[str], bool] = _nobody


class Scope:
    """One change. ``touched`` is what it names, ``affected`` what may behave differently after it. ``spoilt`` is
    what is not valid, with whatever depends on it: neither touched nor affected, so that no rule looks at it."""

    def __init__(
        self,
        schema: Schema,
        old: Snapshot,
        new: Snapshot,
        touched: Touched,
        affected: Touched,
        spoilt: Touched,
        origin: Origin,
        *,
        facts: Facts,
        capabilities: Capabilities | None,
        policy: Policy,
        before: Reader,
        after: Reader,
        neighbours: Neighbours,
    ) -> None:
        self.schema = schema
        self.snapshot = new
        self.old = Config(old.root)
        self.new = Config(new.root)
        self.touched = touched
        self.affected = affected
        self.spoilt = spoilt
        self.origin = origin
        self.facts = facts
        self.capabilities = capabilities
        self.policy = policy
        self.before = before
        self.after = after
        self.neighbours = neighbours

    @property
    def compares(self) -> bool:
        """Whether rules that compare with running count."""
        return self.origin.kind in COMPARING_KINDS

    def at(self, path: str, *keys: Key) -> ErrorPath:
        """The error-path of a node of a context, with the keys along it, that of the context first."""
        return where(self.schema, f"{CONTEXTS}/{path}", *keys)

    @cached_property
    def touched_maps(self) -> list[tuple[Named, Node]]:
        """As :meth:`nodes`, for what several rules look at."""
        return self.nodes(Kind.MAP, self.touched.maps)

    @cached_property
    def touched_sets(self) -> list[tuple[Named, EspProposal]]:
        """The touched ipsec transform sets that are there after the change, in order."""
        nodes = self.nodes(Kind.IPSEC_SET, self.touched.ipsec_sets)
        return [(item, nouns.esp_proposal(node)) for item, node in nodes]

    @cached_property
    def affected_maps(self) -> list[tuple[Named, Node]]:
        same = self.affected.maps == self.touched.maps
        return self.touched_maps if same else self.nodes(Kind.MAP, self.affected.maps)

    def nodes(self, kind: Kind, items: set[Named]) -> list[tuple[Named, Node]]:
        """Those of the objects that are there after the change, in order."""
        found = [(item, self.new.find(kind, item)) for item in sorted(items)]
        return [(item, node) for item, node in found if node is not None]

    @cached_property
    def tunnels(self) -> dict[TunnelId, Tunnel | None]:
        """The affected tunnels after the change, each as if bound now."""
        return {item: self.after.tunnel(item) for item in sorted(self.affected.bindings)}

    @cached_property
    def responders(self) -> dict[Named, Responder | None]:
        """The affected services after the change."""
        return {item: self.after.responder(item) for item in sorted(self.affected.services)}

    def change(self, old: Intent) -> Change:
        """From the intent of the configuration before to that of the one after. Costs what is affected."""
        return change_of(
            old,
            {item: followed(old.tunnels.get(item), tunnel) for item, tunnel in self.tunnels.items()},
            {ResponderId(*item): responder for item, responder in self.responders.items()},
            marking.updated(old.l2, self.new, self.touched),
        )

    def maps_with_acl(self, acl: Named) -> list[Named]:
        """The crypto maps that match an access list."""
        return [Named(acl.context, name) for name in self._referrers(f"{Kind.MAP}/match-address", acl)]

    def applications_of(self, crypto_map: Named) -> list[Named]:
        """The applications that a crypto map protects, in whatever context."""
        leaf = leaf_at(self.schema, f"{CONTEXTS}/{Kind.APPLICATION}/protected-by/crypto-map")
        holders = self.snapshot.references.holders(leaf, crypto_map.name)
        found = [Named(str(keys[0]), str(keys[1])) for keys in holders]
        return [item for item in found if self.protector_of(item) == crypto_map]

    def interfaces_of(self, crypto_map: Named) -> list[str]:
        """The interfaces a crypto map is bound to."""
        return self._referrers(f"{Kind.INTERFACE}/{Kind.MAP}/name", crypto_map)

    def _referrers(self, path: str, item: Named) -> list[str]:
        """The objects of the same context with a leafref at that path that names it."""
        leaf = leaf_at(self.schema, f"{CONTEXTS}/{path}")
        holders = self.snapshot.references.holders(leaf, item.name)
        return [str(keys[1]) for keys in holders if keys[0] == item.context]

    def protector_of(self, application: Named) -> Named | None:
        """The crypto map that protects an application after the change."""
        node = self.new.find(Kind.APPLICATION, application)
        return None if node is None else protector(node)


def protector(application: Node) -> Named | None:
    """The crypto map that protects an application."""
    context = values.explicit(application, "protected-by/context")
    crypto_map = values.explicit(application, "protected-by/crypto-map")
    return None if context is None or crypto_map is None else Named(context, crypto_map)


class Scopes:
    """Makes scopes; the last one is kept, because rules and the backend's part of a commit ask for the same."""

    def __init__(self, schema: Schema, surroundings: Surroundings, policy: Policy, secrets: Secrets) -> None:
        self._schema = schema
        self._surroundings = surroundings
        self._policy = policy
        self._secrets = secrets
        self._neighbours: list[tuple[Node, Neighbours]] = []
        self._last: tuple[Transition, Scope] | None = None
        self._read: Reader | None = None

    def of(self, transition: Transition) -> Scope:
        """The scope of a transition."""
        if self._last is None or self._last[0] is not transition:
            created, others = touched_by(self._schema, transition.changes, transition.new)
            spoilt = self._spoilt(transition)
            scope = self._make(transition.old, transition.new, created, others, spoilt, transition.origin)
            self._last = transition, scope
        return self._last[1]

    def whole(self, snapshot: Snapshot) -> Scope:
        """The scope of a configuration as a whole, as at a start-up."""
        empty = empty_snapshot(self._schema)
        origin = Origin("", kind="startup")
        known, self._read = self._read, None
        reader = known if known and known.config.root is snapshot.root else None
        return self._make(empty, snapshot, everything(self._schema, snapshot), Touched(), Touched(), origin, reader)

    def reader(self, snapshot: Snapshot) -> Reader:
        return Reader(snapshot.root, self._secrets)

    def first_reader(self, snapshot: Snapshot) -> Reader:
        """The same at a start-up: what it has read, the rules of :meth:`whole` do not read again."""
        self._read = self.reader(snapshot)
        return self._read

    def warm(self, snapshot: Snapshot) -> None:
        """Make the index of a configuration now, so that the first commit on it costs no more than the others."""
        if all(root is not snapshot.root for root, _ in self._neighbours):
            self._neighbours = [(snapshot.root, Neighbours.of(Config(snapshot.root)))]

    def forget(self) -> None:
        """Drop the last scope: nobody asks for it any more, or it was made with earlier surroundings."""
        self._last = None

    def _spoilt(self, transition: Transition) -> Touched:
        """The objects that are not valid, and whatever depends on them."""
        faulty = objects_at(self._schema, transition.faulty)
        return faulty if faulty.is_empty else affected_by(self._schema, Touched(), faulty, transition.new)

    def _make(
        self,
        old: Snapshot,
        new: Snapshot,
        created: Touched,
        others: Touched,
        spoilt: Touched,
        origin: Origin,
        after: Reader | None = None,
    ) -> Scope:
        touched, affected = created | others, affected_by(self._schema, created, others, new)
        if not spoilt.is_empty:
            touched, affected = touched - spoilt, affected - spoilt
        return Scope(
            self._schema,
            old,
            new,
            touched,
            affected,
            spoilt,
            origin,
            facts=self._surroundings.facts,
            capabilities=self._surroundings.capabilities,
            policy=self._policy,
            before=Reader(old.root, self._secrets),
            after=after or Reader(new.root, self._secrets),
            neighbours=self._neighbours_of(old, new, affected),
        )

    def _neighbours_of(self, old: Snapshot, new: Snapshot, affected: Touched) -> Neighbours:
        """The index of ``new``, made from that of ``old`` if that is at hand. Two are kept: a commit that is refused
        leaves the old one in use, one that succeeds the new one."""
        known = {id(root): index for root, index in self._neighbours}
        made = known.get(id(new.root))
        if made is not None:
            return made
        before = known.get(id(old.root)) or Neighbours.of(Config(old.root))
        made = before.updated(Config(new.root), affected)
        kept = [(root, index) for root, index in self._neighbours if root is old.root]
        self._neighbours = [*kept, (new.root, made)]
        return made
