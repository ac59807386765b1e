"""Writing connections and keys into charon, and taking them back: what apply, revert and reconcile are made of.

Loading can be refused and is undone without a trace, because loading alone touches no SA. So everything is loaded
first; only when all of it is in, SAs are closed and names unloaded, which cannot be refused.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Set
from typing import Any

from cryptomap_backend.contract import ApplyFailed, OutcomeUnknown, Unavailable
from cryptomap_backend.strongswan.certificates import Credentials
from cryptomap_backend.strongswan.messages import Connection, Shared
from cryptomap_backend.strongswan.vici import Lost, Rejected, Vici

__all__ = ["Programming"]

log = logging.getLogger(__name__)


class Programming:
    """One apply, revert or reconcile. As a context it undoes what it did when charon refuses something, and tells a
    loss of charon as what it is: an unknown outcome, or none at all if nothing had been done yet."""

    def __init__(self, vici: Vici) -> None:
        self._vici = vici
        self._undo: list[Callable[[], object]] = []

    def __enter__(self) -> Programming:
        try:
            self._ready()
        except (Lost, Rejected) as fault:
            raise Unavailable(str(fault)) from fault
        return self

    def __exit__(self, kind: type[BaseException] | None, fault: BaseException | None, trace: object) -> None:
        if isinstance(fault, Lost):
            raise OutcomeUnknown(str(fault)) from fault
        if isinstance(fault, Rejected):
            self._take_back(str(fault))
            raise ApplyFailed(f"charon refuses: {fault}") from fault
        if isinstance(fault, ApplyFailed):
            self._take_back(str(fault))

    def undo_by(self, undo: Callable[[], object]) -> None:
        """Have something else undone with the rest."""
        self._undo.append(undo)

    # ===== what can be undone =====

    def load(self, new: Connection, old: Connection | None, unknown: bool = False) -> None:
        """A connection and its keys, in place of another version of it, which may be ``unknown`` (then the new one
        stays in any case). SAs are not touched."""
        before = {shared.name: shared for shared in (old.shared if old else ())}
        after = {shared.name: shared for shared in new.shared}
        for name in after.keys() - before.keys():
            self._load_shared(after[name])
        self._load_credentials(new.credentials)
        self._load_connection(new, old, unknown)
        for name in before.keys() - after.keys():
            self._unload_shared(before[name])

    def _load_shared(self, shared: Shared) -> None:
        self._undo.append(lambda: self._tell("unload-shared", {"id": shared.name}))
        self._vici.request("load-shared", shared.message())

    def _load_credentials(self, credentials: Credentials) -> None:
        """Loading again what charon has does no harm. Revocation lists stay until charon ends."""
        known = self._vici.request("get-keys").get("keys", ()) if credentials.keys else ()
        for key in credentials.keys:
            if key.id not in known:
                self._undo.append(lambda key=key: self._tell("unload-key", {"id": key.id}))  # type: ignore[misc]
            self._vici.request("load-key", {"type": "any", "data": key.secret.reveal()})
        for text in credentials.revoked:
            self._vici.request("load-cert", {"type": "x509_crl", "data": text})

    def _unload_shared(self, shared: Shared) -> None:
        self._undo.append(lambda: self._vici.request("load-shared", shared.message()))
        self._vici.request("unload-shared", {"id": shared.name})

    def _load_connection(self, new: Connection, old: Connection | None, unknown: bool) -> None:
        self._vici.request("load-conn", new.message())
        if old is None and not unknown:
            self._undo.append(lambda: self._tell("unload-conn", {"name": new.name}))
        elif old is not None:
            self._undo.append(lambda: self._reload(old, new))
            self.trap(new.traps, old.traps)

    def _reload(self, new: Connection, old: Connection) -> None:
        self._vici.request("load-conn", new.message())
        self.trap(new.traps, old.traps)

    def trap(self, wanted: Set[tuple[str, str]], there: Set[tuple[str, str]]) -> None:
        """Have these traps in place of those that are there.

        Where a child has another name only, as each edit gives it one, charon itself leaves the trap as it is, under
        the old name. Nobody would take it away with its map, and it would catch packets for good.
        """
        for connection, child in sorted(wanted - there):
            self._tell("install", {"ike": connection, "child": child})
        for connection, child in sorted(there - wanted):
            self._tell("uninstall", {"ike": connection, "child": child})

    # ===== what cannot =====

    def unload(self, name: str, shared: list[str]) -> None:
        """Forget a connection and its keys, and close its SAs without waiting for the peer."""
        self._tell("unload-conn", {"name": name})
        self.forget_keys(shared)
        self._tell("terminate", {"ike": name, "timeout": "-1"})

    def forget_keys(self, names: list[str]) -> None:
        for name in names:
            self._tell("unload-shared", {"id": name})

    def forget_private_keys(self, ids: list[str]) -> None:
        for key in ids:
            self._tell("unload-key", {"id": key})

    def close_sas(self, name: str) -> None:
        """End all SAs of a connection now: the peer is told, its answer not awaited."""
        self._tell("terminate", {"ike": name, "timeout": "-1", "force": "yes"})

    # ===== helpers =====

    def _ready(self) -> None:
        """A connection that charon has closed since the last use is only noticed by using it."""
        try:
            self._vici.request("version")
        except Lost:
            self._vici.request("version")

    def _tell(self, command: str, message: dict[str, Any]) -> None:
        """A command that charon refuses only because there is nothing to do."""
        try:
            self._vici.request(command, message)
        except Rejected as fault:
            log.debug("charon: %s: %s", command, fault)

    def _take_back(self, why: str) -> None:
        try:
            for undo in reversed(self._undo):
                undo()
        except (Lost, Rejected, ApplyFailed, Unavailable) as fault:
            raise OutcomeUnknown(f"{why}; undoing it failed: {fault}") from fault
