"""The conformance suite on the simulator: in this process, under deadlines, and in a process of its own."""

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from cryptomap_backend.conformance import BackendConformance
from cryptomap_backend.contract import Backend
from cryptomap_backend.load import load
from cryptomap_backend.supervised import Supervised


class TestInProcess(BackendConformance):
    @pytest.fixture
    def make_backend(self) -> Iterator[Backend]:
        backend = load("simulator", {"seed": 1})
        yield backend
        backend.close()


class TestSupervised(BackendConformance):
    @pytest.fixture
    def make_backend(self) -> Iterator[Backend]:
        backend = Supervised(load("simulator", {"seed": 1}))
        yield backend
        backend.close()


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A simulated gateway in a process of its own, on that socket."""
    path = tmp_path_factory.mktemp("world") / "gateway"
    command = [sys.executable, "-m", "cryptomap_backend.simulator.process", "--socket", str(path)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == f"simulator ready {path}\n"
        yield path
        process.terminate()
        assert process.wait(10) == 0
    assert not path.exists()


class TestInItsOwnProcess(BackendConformance):
    @pytest.fixture
    def make_backend(self, world: Path) -> Iterator[Backend]:
        backend = load("simulator", {"socket": str(world)})
        yield backend
        backend.close()
