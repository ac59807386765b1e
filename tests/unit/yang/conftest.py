"""Two judges of our modules that are not ours: pyang and yanglint (libyang)."""

from __future__ import annotations

import os
import shutil
import subprocess
import sysconfig
from collections.abc import Callable
from functools import partial
from pathlib import Path

import pytest

CHECKOUT = Path(__file__).parents[3]
YANG = CHECKOUT / "yang"
STANDARD_MODULES = Path(sysconfig.get_path("data")) / "share/yang/modules/ietf"
OWN_MODULES = [str(path) for path in sorted(YANG.glob("*.yang"))]
SEARCH_PATH = ["-p", str(YANG), "-p", str(STANDARD_MODULES)]

Run = Callable[..., subprocess.CompletedProcess[str]]
Verdict = Callable[[str], str]


def run(*command: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(command, capture_output=True, text=True, check=False)


@pytest.fixture(scope="session")
def yanglint() -> Run:
    """yanglint with all our modules, further arguments given."""
    program = shutil.which("yanglint")
    if program is None:
        lack = "yanglint (Debian package libyang2-tools) is not installed"
        if os.environ.get("CI") == "true":
            pytest.fail(lack)
        pytest.skip(lack)
    return partial(run, program, "-i", *SEARCH_PATH, *OWN_MODULES)


@pytest.fixture
def libyang_verdict(yanglint: Run, tmp_path: Path) -> Verdict:
    """What libyang says about a configuration, given as XML without the <config> element; empty: it is valid."""

    def verdict(xml: str) -> str:
        document = tmp_path / "data.xml"
        document.write_text(xml)
        result = yanglint("-t", "config", str(document))
        assert bool(result.returncode) == bool(result.stderr), result.stderr
        return result.stderr

    return verdict
