"""What others' code comes with cryptomap: under which licences, pinned to what, and no version with a known hole."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Mapping
from typing import Any

import pytest
from packaging.requirements import Requirement
from packaging.version import Version

from support.licences import DOCUMENT, licence_of, needed
from support.server import ROOT

ALLOWED = re.compile(
    r"(Apache|BSD|MIT|MPL|PSF|ISC|EPL-2\.0|Zlib|CC0|Unlicense|LGPL|Python Software Foundation)", re.IGNORECASE
)
"""May be used as a library of a program under Apache-2.0."""

SETTINGS: Mapping[str, Any] = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
EXTRAS = SETTINGS["optional-dependencies"]
PINNED = dict(line.split("==") for line in (ROOT / "constraints.txt").read_text().split())

HOLES = {
    "asyncssh": ("2.14.2", "CVE-2023-46445, CVE-2023-46446, CVE-2023-48795"),
    "lxml": ("6.1", "CVE-2026-41066"),
    "cryptography": ("43.0.1", "CVE-2024-6119 in the OpenSSL of its wheels"),
    "paramiko": ("3.4.0", "CVE-2023-48795"),
    "pygments": ("2.15.0", "CVE-2022-40896"),
}
"""The first version without holes that are known, and which they are."""


def rows() -> dict[str, str]:
    return dict(re.findall(r"^\| ([\w.-]+) \| (.+) \|$", DOCUMENT.read_text(), re.MULTILINE))


def test_each_package_has_a_row_with_its_licence() -> None:
    everything = needed() | needed("strongswan") | needed("dev")
    assert everything >= {"asyncssh", "lxml", "pyang", "pytest"}
    found = rows()
    wrong = {name for name in everything if found.get(name) != licence_of(name)}
    assert wrong == set(), "run: cd tests && python -m support.licences"


@pytest.mark.parametrize("name", sorted(needed() | needed("strongswan")))
def test_what_is_installed_with_it_may_be(name: str) -> None:
    assert ALLOWED.search(rows()[name])


def test_everything_is_pinned() -> None:
    known = {name.lower().replace("_", "-") for name in PINNED}
    assert {name for name in needed("dev") if name.replace("_", "-") not in known} == set()


@pytest.mark.parametrize("name", HOLES)
def test_no_version_with_a_known_hole_is_pinned_nor_allowed(name: str) -> None:
    first, _ = HOLES[name]
    pins = {pinned.lower(): version for pinned, version in PINNED.items()}
    assert Version(pins[name]) >= Version(first)
    for text in SETTINGS["dependencies"]:
        requirement = Requirement(text)
        if requirement.name == name:
            [least] = [item.version for item in requirement.specifier if item.operator == ">="]
            assert Version(least) >= Version(first) or name == "cryptography"
