"""The table of backends in the documents is what capabilities say."""

from __future__ import annotations

from dataclasses import fields, replace
from pathlib import Path

import pytest

from cryptomap_backend.capabilities import Capabilities, Feature
from cryptomap_backend.table import BACKENDS, LINUX, document, main, rows, table
from support.server import ROOT

DOCUMENT = ROOT / "docs" / "backends.md"


def test_the_document_is_up_to_date() -> None:
    text = DOCUMENT.read_text()
    assert document(text) == text, "run: make docs"


def test_everything_a_backend_can_say_has_a_row() -> None:
    named = {row.field for row in rows()}
    plain = {"backend", "tolerated", "dscp_policy", "limits", "versions", "platform", "notes"}
    assert {item.name for item in fields(Capabilities)} - plain == named
    assert {row.name for row in rows()} >= set(Feature)


def test_a_limit_is_told_apart_from_what_is_refused() -> None:
    lines = table({"one": LINUX}).splitlines()
    by_name = {line.split("|")[1].strip(): line.split("|")[2].strip() for line in lines if line.startswith("| ")}
    assert by_name["map type `manual`"] == "works"
    assert by_name["feature `802.1p-pcp`"].startswith("works")
    assert by_name["feature `802.1p-dei`"].startswith("warning (")
    assert by_name["feature `df-bit-set`"].startswith("no (")
    number = by_name["feature `df-bit-set`"].partition("(")[2].rstrip(")")
    assert (
        f"{number}. The kernel copies or clears the don't-fragment bit of the outer header, it never sets it." in lines
    )


def test_every_limit_has_a_reason() -> None:
    """What a backend lacks of the features says why, in its notes."""
    for name, able in BACKENDS.items():
        silent = {str(feature) for feature in set(Feature) - able.features} - able.notes.keys()
        assert silent == set(), name


def test_what_no_feature_is_named_for_is_told_all_the_same() -> None:
    """How interfaces and devices belong together is a matter of the settings, for whatever makes packets in Linux."""
    for name in ("linux", "strongswan"):
        assert "interfaces are not tied to devices" in BACKENDS[name].notes["interfaces"]
    assert BACKENDS["simulator"].notes.keys() & {"interfaces", "pools"} == set()


def test_another_capability_makes_another_table() -> None:
    assert table({"one": LINUX}) != table({"one": replace(LINUX, features=LINUX.features - {Feature.AH})})


def test_a_document_without_a_place_for_it_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "plain.md").write_text("nothing\n")
    assert main([str(tmp_path / "plain.md")]) == 2
    assert "there are no lines" in capsys.readouterr().err
