"""What the server announces in its hello, and which operations each capability stands for."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Mapping
from typing import Final

from cryptomap.netconf.capabilities import (
    BASE_1_0,
    BASE_1_1,
    CANDIDATE,
    CONFIRMED_COMMIT,
    INTERLEAVE,
    NOTIFICATION,
    PARTIAL_LOCK,
    PRIVATE_CANDIDATE,
    ROLLBACK_ON_ERROR,
    STARTUP,
    URL,
    VALIDATE,
    WITH_DEFAULTS,
    WRITABLE_RUNNING,
    XPATH,
    YANG_LIBRARY_1_1,
    Capability,
    module_capability,
)
from cryptomap.operations.with_defaults import BASIC_MODE, MODES, OPERATIONAL_MODE
from cryptomap.schema.library import module_set
from cryptomap.schema.nodes import Module, Schema

__all__ = ["OPERATIONS_OF", "announced"]

WITH_OPERATIONAL_DEFAULTS: Final = "urn:ietf:params:netconf:capability:with-operational-defaults:1.0"
VALIDATE_1_0: Final = "urn:ietf:params:netconf:capability:validate:1.0"
_YANG_1_1 = re.compile(r"""^\s*yang-version\s+["']?1\.1["']?\s*;""", re.MULTILINE)

_ALWAYS: Final = (
    BASE_1_0,
    BASE_1_1,
    CANDIDATE,
    CONFIRMED_COMMIT,
    ROLLBACK_ON_ERROR,
    VALIDATE_1_0,
    VALIDATE,
    XPATH,
    NOTIFICATION,
    INTERLEAVE,
    PARTIAL_LOCK,
    PRIVATE_CANDIDATE,
    str(Capability(WITH_DEFAULTS, {"basic-mode": BASIC_MODE, "also-supported": ",".join(MODES[1:])})),
)

_BASE_OPERATIONS: Final = (
    "get",
    "get-config",
    "edit-config",
    "copy-config",
    "delete-config",
    "lock",
    "unlock",
    "close-session",
    "kill-session",
)

OPERATIONS_OF: Final[Mapping[str, Collection[str]]] = {
    BASE_1_0: _BASE_OPERATIONS,
    BASE_1_1: _BASE_OPERATIONS,
    CANDIDATE: ("commit", "discard-changes"),
    CONFIRMED_COMMIT: ("commit", "cancel-commit"),
    ROLLBACK_ON_ERROR: ("edit-config",),
    PARTIAL_LOCK: ("partial-lock", "partial-unlock"),
    PRIVATE_CANDIDATE: ("update",),
    URL: ("edit-config", "copy-config", "delete-config", "validate"),
    STARTUP: ("copy-config", "delete-config"),
    VALIDATE_1_0: ("validate",),
    VALIDATE: ("validate", "edit-config"),
    WRITABLE_RUNNING: ("edit-config", "copy-config"),
    XPATH: ("get", "get-config"),
    NOTIFICATION: ("create-subscription",),
    INTERLEAVE: ("create-subscription",),
    WITH_DEFAULTS: ("get", "get-config", "copy-config", "edit-config"),
    WITH_OPERATIONAL_DEFAULTS: ("get-data",),
    YANG_LIBRARY_1_1: (
        "get-data",
        "edit-data",
        "establish-subscription",
        "modify-subscription",
        "delete-subscription",
        "kill-subscription",
        "resync-subscription",
    ),
}
"""The operations a capability brings or extends, by local name; the library lists the modules in YANG 1.1 that do."""


def announced(
    schema: Schema, *, startup: bool = False, writable_running: bool = False, url: bool = False
) -> tuple[str, ...]:
    """All capabilities of the server. Modules in YANG 1.0 are listed here (RFC 6020 section 5.6.4), those in YANG 1.1
    only in the YANG library, which a client then reads (RFC 7950 section 5.6.4)."""
    files = str(Capability(URL, {"scheme": "file"}))
    options = ((STARTUP, startup), (WRITABLE_RUNNING, writable_running), (files, url))
    optional = [uri for uri, is_on in options if is_on]
    return (*_ALWAYS, *optional, *_operational_defaults(schema), *_library(schema), *_modules(schema))


def _operational_defaults(schema: Schema) -> Iterator[str]:
    """That with-defaults works on the operational datastore, too (RFC 8526 section 3.1.1.2)."""
    if "ietf-netconf-nmda" in schema.namespace_of_module:
        others = ",".join(mode for mode in MODES if mode != OPERATIONAL_MODE)
        yield str(Capability(WITH_OPERATIONAL_DEFAULTS, {"basic-mode": OPERATIONAL_MODE, "also-supported": others}))


def _library(schema: Schema) -> Iterator[str]:
    library = schema.modules.get("ietf-yang-library")
    if library is not None and library.implemented:
        parameters = {"revision": library.revision, "content-id": schema.content_id}
        yield str(Capability(YANG_LIBRARY_1_1, parameters))


def _modules(schema: Schema) -> Iterator[str]:
    for module in module_set(schema).implemented:
        if not _is_yang_1_1(module):
            yield module_capability(
                module.namespace,
                module.name,
                module.revision or None,
                features=module.features,
                deviations=module.deviations,
            )


def _is_yang_1_1(module: Module) -> bool:
    return _YANG_1_1.search(module.text) is not None
