"""The conformance suite on the strongSwan backend, with a real charon and a real peer."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from cryptomap_backend.conformance import BackendConformance
from cryptomap_backend.contract import Backend
from cryptomap_backend.intent import Intent
from cryptomap_backend.plan import Plan
from cryptomap_backend.state import Drift
from cryptomap_backend.strongswan import Settings, StrongswanBackend
from dataplane.charon import Charon, Lab, Remembered, answering


class AgreeingBackend(StrongswanBackend):
    """Tells the peer the key of each tunnel before it uses it, as two operators on the telephone do."""

    def __init__(self, settings: Settings, peer: Charon) -> None:
        super().__init__(settings, Remembered)
        self._peer = peer

    def apply(self, plan: Plan) -> None:
        self._agree(plan.change.new)
        super().apply(plan)

    def revert(self, plan: Plan) -> None:
        self._agree(plan.change.old)
        super().revert(plan)

    def reconcile(self, intent: Intent) -> Drift:
        self._agree(intent)
        return super().reconcile(intent)

    def _agree(self, intent: Intent) -> None:
        for tunnel in intent.tunnels.values():
            assert tunnel.ike is not None
            assert tunnel.ike.local.secret is not None
            owners = [str(tunnel.remote), str(tunnel.local)]
            message = {"id": owners[0], "type": "IKE", "data": tunnel.ike.local.secret.reveal(), "owners": owners}
            self._peer.vici.request("load-shared", message)


class TestStrongswan(BackendConformance):
    @pytest.fixture
    def make_backend(self, lab: Lab) -> Iterator[Backend]:
        Remembered.held = None
        for number in range(1, 6):
            lab.peer.load(f"peer{number}", answering(number))
        backend = AgreeingBackend(Settings.of({"socket": str(lab.gateway.socket), "retry-min": 0.2}), lab.peer)
        yield backend
        backend.close()
