"""The conformance suite on backend linux, whose kernel is that of the virtual machine, through the helper."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from cryptomap_backend.conformance import BackendConformance
from cryptomap_backend.contract import Backend
from dataplane.gateways import Gateways

pytestmark = pytest.mark.timeout(300)  # the first test waits for the machine to boot, on a busy host too


class TestLinux(BackendConformance):
    rounds = 4

    @pytest.fixture
    def make_backend(self, gateways: Gateways) -> Iterator[Backend]:
        backend = gateways.backend("ipsec-d")
        yield backend
        backend.close()
