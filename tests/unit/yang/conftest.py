"""The judges of our modules: libyang, by its program yanglint, and our own engine."""

from __future__ import annotations

import os
import shutil
import subprocess
import sysconfig
from collections.abc import Callable
from functools import partial
from pathlib import Path

import pytest
from lxml import etree

from cryptomap.data.validation import validate
from cryptomap.data.xml.read import read_config
from cryptomap.errors import RpcErrors
from cryptomap.schema.modules import load, own_module_names
from cryptomap.schema.nodes import Schema

CHECKOUT = Path(__file__).parents[3]
YANG = CHECKOUT / "yang"
STANDARD_MODULES = Path(sysconfig.get_path("data")) / "share/yang/modules"
OWN_MODULES = [str(path) for path in sorted(YANG.glob("*.yang"))]
SEARCH_PATH = ["-p", str(YANG), "-p", str(STANDARD_MODULES / "ietf"), "-p", str(STANDARD_MODULES / "iana")]

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


@pytest.fixture(scope="session")
def schema() -> Schema:
    return load(own_module_names())


class Seal:
    """Stands in for the vault: every secret gets the same sealed form."""

    def seal(self, path: str, clear: str) -> str:
        return "$cm1$c2VhbGVk"

    def is_sealed(self, path: str, text: str) -> bool:
        return text.startswith("$cm1$")


@pytest.fixture(params=["libyang", "cryptomap"])
def verdict(request: pytest.FixtureRequest, schema: Schema, tmp_path: Path) -> Verdict:
    """What a judge says about a configuration, given as XML without the <config> element; empty: it is valid."""

    def libyang(xml: str) -> str:
        document = tmp_path / "data.xml"
        document.write_text(xml)
        result = request.getfixturevalue("yanglint")("-t", "config", str(document))
        assert bool(result.returncode) == bool(result.stderr), result.stderr
        return str(result.stderr)

    def cryptomap(xml: str) -> str:
        try:
            validate(schema, read_config(schema, etree.fromstring(f"<config>{xml}</config>"), Seal()), None)
        except RpcErrors as refusal:
            return "\n".join(f"{error} [{error.app_tag}]" for error in refusal.errors)
        return ""

    return libyang if request.param == "libyang" else cryptomap
