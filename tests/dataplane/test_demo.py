"""``make demo-strongswan`` as a newcomer runs it."""

from __future__ import annotations

import os
import re
import subprocess
import sys

import pytest

from dataplane import charon
from dataplane.vm.need import need
from support.server import PATIENCE, SAMPLES

DEMO = SAMPLES / "demo_strongswan.py"

pytestmark = pytest.mark.timeout(180)


def run(*command: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, *command], capture_output=True, text=True, timeout=PATIENCE, env={**os.environ, **environment}
    )


def test_a_ping_goes_through_the_tunnel_and_esp_is_on_the_wire() -> None:
    need(charon.why_not())
    done = run(str(DEMO))
    assert done.returncode == 0, done.stderr
    assert len(re.findall("3 packets transmitted, 3 received", done.stdout)) == 2
    spi = re.search(r"tunnel-up: SA in 0x[0-9a-f]{8}, out 0x([0-9a-f]{8})", done.stdout)
    assert spi is not None
    assert len(re.findall(rf"on the wire: .*ESP\(spi=0x{spi[1]},seq=0x[14]\)", done.stdout)) == 2
    marked = re.findall(r"on the wire: \(tos 0x([0-9a-f]+),", done.stdout)
    assert marked == (["0", "0"] if "nothing is marked" in done.stdout else ["a0", "b8"])
    assert "tunnel up, packets out 6" in done.stdout


def test_who_is_not_root_is_told() -> None:
    code = f"import os, runpy, sys; os.geteuid = lambda: 1000; sys.path.insert(0, {str(SAMPLES)!r}); "
    done = run("-c", f"{code}runpy.run_path({str(DEMO)!r}, run_name='__main__')")
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.endswith("it makes network namespaces, so it needs root: sudo make demo-strongswan\n")


def test_missing_packages_are_named() -> None:
    if os.geteuid() != 0:
        need("needs root, who does not have it is told that first")
    done = run(str(DEMO), PATH="/nonexistent")
    assert (done.returncode, done.stdout) == (1, "")
    assert (
        "ip, ping, nft, tcpdump missing; on Debian: apt-get install --no-install-recommends charon-systemd"
        in done.stderr
    )
