"""Validation of configuration (RFC 7950 section 8): full once, then only what a change can affect.

>>> snapshot = validate(schema, candidate, running)        # all violations at once, or the next snapshot

A :class:`Snapshot` is a valid tree with its value index; both are immutable, so running, history and readers are just
references to snapshots. :func:`report` tells which constraints of a schema are checked incrementally.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from cryptomap.data.tree import Node, Path
from cryptomap.data.validation.constraints import Finding, plan_of, report
from cryptomap.data.validation.engine import Counters, Run, index_of
from cryptomap.data.validation.instances import path_at
from cryptomap.data.validation.references import References
from cryptomap.data.validation.violations import Violations
from cryptomap.errors import RpcErrors
from cryptomap.schema.nodes import Leaf, LeafList, Schema

__all__ = [
    "Counters",
    "Finding",
    "Invalid",
    "References",
    "Snapshot",
    "empty_snapshot",
    "report",
    "snapshot_of",
    "validate",
]


@dataclass(frozen=True, slots=True)
class Snapshot:
    """A valid configuration and its value index. ``counters`` say what its validation took."""

    root: Node
    references: References
    counters: Counters = field(default_factory=Counters, compare=False)

    def referrers(self, leaf: Leaf | LeafList, value: str) -> list[Path]:
        """The instances of a leafref leaf that hold this value, in key order; cost follows the result."""
        return [path_at(leaf, keys) for keys in self.references.holders(leaf, value)]


class Invalid(RpcErrors):
    """A candidate is not valid. ``snapshot`` is it all the same, with its value index, for who has more to say about
    the rest of it; ``places`` are the instances at fault, all of them unless it ``is_cut_short``."""

    def __init__(self, violations: Violations, snapshot: Snapshot) -> None:
        super().__init__(violations.errors)
        self.snapshot = snapshot
        self.places = tuple(violations.places)
        self.is_cut_short = violations.is_full


def validate(schema: Schema, candidate: Node, base: Snapshot | None) -> Snapshot:
    """The snapshot of a candidate, given the valid snapshot it grew from (``None``: check everything).

    The result's root lacks what false whens delete (RFC 7950 section 8.1), else it is the candidate itself. Raises
    Invalid with every violation, bounded.
    """
    if base is not None and base.root is candidate:
        return base
    violations = Violations(schema)
    run = Run(
        plan_of(schema),
        candidate,
        base.root if base else None,
        base.references if base else References(),
        violations,
    )
    run.run()
    snapshot = Snapshot(run.root, run.index.finish(), run.counters)
    if violations:
        raise Invalid(violations, snapshot)
    return snapshot


def snapshot_of(schema: Schema, root: Node) -> Snapshot:
    """The snapshot of a tree known to be valid (a checkpoint under the same schema): only the index is built."""
    return Snapshot(root, index_of(plan_of(schema), root))


def empty_snapshot(schema: Schema) -> Snapshot:
    """No configuration at all; not checked, because a schema may demand some."""
    return Snapshot(Node.empty(schema.root), References())
