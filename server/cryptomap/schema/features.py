"""Which features are on, and what if-feature statements make of that (RFC 7950 sections 7.20.1 and 7.20.2)."""

from __future__ import annotations

from collections.abc import Collection, Mapping

from pyang import syntax

from cryptomap.schema.faults import SchemaFault
from cryptomap.schema.statements import Statement, fault, prefixes_in

__all__ = ["FEATURES_OFF", "Features"]

FEATURES_OFF: Mapping[str, Collection[str]] = {
    "cryptomap-ipsec": {"ikev1"},
    "iana-crypt-hash": {"crypt-hash-md5"},
    "ietf-netconf": {"startup", "url", "writable-running"},
    "ietf-subscribed-notifications": {
        "configured",
        "dscp",
        "encode-json",
        "interface-designation",
        "qos",
        "supports-vrf",
    },
    "ietf-system": {"dns-udp-tcp-port", "ntp", "ntp-udp-port", "radius", "radius-authentication", "timezone-name"},
}
"""Features that are off unless somebody asks for them; all others are on."""


class Features:
    """The features of a set of modules. ``chosen`` names, per module, those that are on; a module missing there has
    all of its features on except :data:`FEATURES_OFF`."""

    def __init__(self, modules: Mapping[str, Statement], chosen: Mapping[str, Collection[str]]) -> None:
        self._modules = modules
        self._chosen = chosen
        self._known: dict[tuple[str, str], bool] = {}
        for module, names in chosen.items():
            self._refuse_unknown(module, names)

    def _refuse_unknown(self, module: str, names: Collection[str]) -> None:
        if module in self._modules:
            unknown = sorted(set(names) - set(self._modules[module].i_features))
            if unknown:
                raise SchemaFault(f"module {module} has no feature {', '.join(unknown)}")

    def of(self, module: str) -> tuple[str, ...]:
        """The features of a module that are on, sorted."""
        return tuple(sorted(name for name in self._modules[module].i_features if self.is_on(module, name)))

    def is_on(self, module: str, name: str) -> bool:
        """Whether a feature is on: wanted, and its own if-feature statements hold."""
        key = (module, name)
        if key not in self._known:
            self._known[key] = False  # a circle of features, which pyang refuses, would end here
            definition = self._modules[module].i_features.get(name)
            self._known[key] = definition is not None and self._wanted(module, name) and self.admit(definition)
        return self._known[key]

    def _wanted(self, module: str, name: str) -> bool:
        if module in self._chosen:
            return name in self._chosen[module]
        return name not in FEATURES_OFF.get(module, ())

    def admit(self, statement: Statement) -> bool:
        """Whether all if-feature substatements of a statement hold, and those of the augment that brought it."""
        augment = getattr(statement, "i_augment", None)
        holders = (statement,) if augment is None else (statement, augment)
        return all(self._holds(condition) for holder in holders for condition in holder.search("if-feature"))

    def _holds(self, condition: Statement) -> bool:
        return self._evaluate(syntax.parse_if_feature_expr(condition.arg), condition)

    def _evaluate(self, expression: object, condition: Statement) -> bool:
        if isinstance(expression, tuple):
            operator, left, right = expression
            if operator == "not":
                return not self._evaluate(left, condition)
            if operator == "and":
                return self._evaluate(left, condition) and self._evaluate(right, condition)
            return self._evaluate(left, condition) or self._evaluate(right, condition)
        prefix, colon, name = str(expression).rpartition(":")
        module: str = prefixes_in(condition).get(prefix, "") if colon else condition.i_orig_module.i_modulename
        if module not in self._modules:
            raise fault(condition, f"if-feature {condition.arg}: no module has the prefix '{prefix}'")
        return self.is_on(module, name)
