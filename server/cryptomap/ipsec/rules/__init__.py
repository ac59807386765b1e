"""The commit rules: what YANG cannot say. One pure function each, from a scope to rpc-errors; ``docs/rules.md`` lists
them together with those that YANG does say.

A rule looks only at what its scope names, so that its cost follows the change. Its name is the error-app-tag of all it
finds. Findings of severity "warning" never fail a commit.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import TypeAlias

from cryptomap.errors import RpcError
from cryptomap.ipsec.rules import algorithms, backend, day1, hints, maps, modes
from cryptomap.ipsec.scope import Scope

__all__ = ["RULES", "Rule", "findings", "violations"]

Function: TypeAlias = Callable[[Scope], Iterable[RpcError]]


@dataclass(frozen=True, slots=True)
class Rule:
    """A rule; ``compares`` marks one that compares with running, which only an ordinary commit does, ``warns`` one that
    never refuses."""

    name: str
    function: Function
    compares: bool = False
    warns: bool = False


RULES: tuple[Rule, ...] = (
    Rule("day1-context", day1.day1_context),
    Rule("day1-late", day1.day1_late, compares=True),
    Rule("day1-complete", day1.day1_complete, compares=True),
    Rule("day1-foreign-selector", day1.day1_foreign_selector, warns=True),
    Rule("icsr-tunnel-mode", modes.icsr_tunnel_mode),
    Rule("sx-tunnel-mode", modes.sx_tunnel_mode),
    Rule("map-type-immutable", maps.map_type_immutable, compares=True),
    Rule("address-family", maps.address_family),
    Rule("manual-key-size", maps.manual_key_size),
    Rule("algorithm-platform", algorithms.algorithm_platform),
    Rule("backend-capability", backend.backend_capability),
    Rule("algorithm-deprecated", algorithms.algorithm_deprecated, warns=True),
    Rule("esp-without-integrity", algorithms.esp_without_integrity, warns=True),
    Rule("map-on-several-interfaces", maps.map_on_several_interfaces, warns=True),
    Rule("dot1p-odd", hints.dot1p_odd, warns=True),
    Rule("retransmission-budget", hints.retransmission_budget, warns=True),
    Rule("dscp-anti-replay", hints.dscp_anti_replay, warns=True),
    Rule("no-effect", hints.no_effect, warns=True),
)


def findings(scope: Scope) -> Iterator[RpcError]:
    """What all rules find."""
    for rule in RULES:
        if scope.compares or not rule.compares:
            yield from rule.function(scope)


def violations(scope: Scope) -> list[RpcError]:
    """What a configuration as a whole breaks: no warnings, and nothing that compares it with another."""
    rules = [rule for rule in RULES if not rule.compares and not rule.warns]
    return [fault for rule in rules for fault in rule.function(scope) if fault.severity != "warning"]
