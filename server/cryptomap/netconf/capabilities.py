"""Capabilities of a hello: their URIs and parameters (RFC 6241 sections 8 and 10.4, RFC 6020 section 5.6.4)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Final
from urllib.parse import parse_qsl, quote, urlencode

__all__ = [
    "BASE_1_0",
    "BASE_1_1",
    "CANDIDATE",
    "CONFIRMED_COMMIT",
    "INTERLEAVE",
    "NOTIFICATION",
    "PARTIAL_LOCK",
    "PRIVATE_CANDIDATE",
    "ROLLBACK_ON_ERROR",
    "STARTUP",
    "URL",
    "VALIDATE",
    "WITH_DEFAULTS",
    "WRITABLE_RUNNING",
    "XPATH",
    "YANG_LIBRARY_1_0",
    "YANG_LIBRARY_1_1",
    "Capability",
    "common_base",
    "module_capability",
]

BASE_1_0: Final = "urn:ietf:params:netconf:base:1.0"
BASE_1_1: Final = "urn:ietf:params:netconf:base:1.1"
CANDIDATE: Final = "urn:ietf:params:netconf:capability:candidate:1.0"
CONFIRMED_COMMIT: Final = "urn:ietf:params:netconf:capability:confirmed-commit:1.1"
INTERLEAVE: Final = "urn:ietf:params:netconf:capability:interleave:1.0"
NOTIFICATION: Final = "urn:ietf:params:netconf:capability:notification:1.0"
PARTIAL_LOCK: Final = "urn:ietf:params:netconf:capability:partial-lock:1.0"
PRIVATE_CANDIDATE: Final = "urn:ietf:params:netconf:capability:private-candidate:1.0"
ROLLBACK_ON_ERROR: Final = "urn:ietf:params:netconf:capability:rollback-on-error:1.0"
STARTUP: Final = "urn:ietf:params:netconf:capability:startup:1.0"
URL: Final = "urn:ietf:params:netconf:capability:url:1.0"
VALIDATE: Final = "urn:ietf:params:netconf:capability:validate:1.1"
WITH_DEFAULTS: Final = "urn:ietf:params:netconf:capability:with-defaults:1.0"
WRITABLE_RUNNING: Final = "urn:ietf:params:netconf:capability:writable-running:1.0"
XPATH: Final = "urn:ietf:params:netconf:capability:xpath:1.0"
YANG_LIBRARY_1_0: Final = "urn:ietf:params:netconf:capability:yang-library:1.0"
YANG_LIBRARY_1_1: Final = "urn:ietf:params:netconf:capability:yang-library:1.1"


@dataclass(frozen=True, slots=True)
class Capability:
    """One capability: the URI up to the question mark, and the parameters after it."""

    uri: str
    parameters: Mapping[str, str] = field(default_factory=dict)

    @classmethod
    def parse(cls, text: str) -> Capability:
        """Read ``uri?name=value&name=value``; white space around it does not count."""
        uri, _, query = text.strip().partition("?")
        return cls(uri, dict(parse_qsl(query, keep_blank_values=True)))

    def __str__(self) -> str:
        if not self.parameters:
            return self.uri
        return f"{self.uri}?{urlencode(self.parameters, safe=',:/', quote_via=quote)}"


def module_capability(
    namespace: str,
    module: str,
    revision: str | None = None,
    *,
    features: Iterable[str] = (),
    deviations: Iterable[str] = (),
) -> str:
    """The capability that announces a YANG 1.0 module (RFC 6020 section 5.6.4); 1.1 modules are in yang-library."""
    parameters = {
        "module": module,
        "revision": revision or "",
        "features": ",".join(features),
        "deviations": ",".join(deviations),
    }
    return str(Capability(namespace, {name: value for name, value in parameters.items() if value}))


def common_base(ours: Iterable[str], theirs: Iterable[str]) -> str | None:
    """The protocol both sides speak, "1.1" before "1.0", None if there is none (RFC 6241 section 8.1)."""
    shared = {Capability.parse(text).uri for text in ours} & {Capability.parse(text).uri for text in theirs}
    if BASE_1_1 in shared:
        return "1.1"
    return "1.0" if BASE_1_0 in shared else None
