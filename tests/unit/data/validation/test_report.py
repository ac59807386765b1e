"""The report of how each constraint is checked at a commit."""

from __future__ import annotations

import pytest

from cryptomap.data.validation import Finding, report
from support.yang import module, product_schema, schema_of

MILL = module(
    "mill",
    """
  container mill {
    leaf open { type boolean; }
    leaf size { type uint8; }
    list wheel {
      key name;
      leaf name { type string; }
      leaf teeth { type uint8; must ". > ../pins"; must ". <= ../../size"; }
      leaf pins { type uint8; }
      leaf drives { type leafref { path "../../wheel/name"; } must "deref(.)/../teeth < ../teeth"; }
      leaf made-by { type string; must "/guild/smith[name = current()]/age > 20"; }
      leaf place { type uint8; must "not(../preceding-sibling::wheel/place = .)"; }
      leaf any { type string; must "//smith/age = 30"; }
      leaf oil { when "../../open = 'true'"; type string; }
    }
    leaf total { type uint8; must ". = count(../wheel)"; }
  }
  container guild {
    list smith { key name; leaf name { type string; } leaf age { type uint8; } leaf rank { type string; } }
    leaf head { type leafref { path "../smith/rank"; } }
  }
""",
)

WAYS = {
    ". > ../pins": "local",
    ". <= ../../size": "local",
    "../../open = 'true'": "local",
    ". = count(../wheel)": "local",
    "../../wheel/name": "join",
    "deref(.)/../teeth < ../teeth": "join",
    "/guild/smith[name = current()]/age > 20": "join",
    "../smith/rank": "join",
    "not(../preceding-sibling::wheel/place = .)": "all",
    "//smith/age = 30": "all",
}


def findings() -> dict[str, Finding]:
    return {finding.text: finding for finding in report(schema_of(MILL))}


@pytest.mark.parametrize(("text", "way"), WAYS.items())
def test_the_way_of_each_class(text: str, way: str) -> None:
    finding = findings()[text]
    assert (finding.way, finding.incremental) == (way, way != "all")


def test_what_is_not_incremental_says_which_changes_are_costly() -> None:
    assert findings()["not(../preceding-sibling::wheel/place = .)"].reasons == ("/mill:mill/wheel/place",)
    assert findings()["//smith/age = 30"].reasons == ("/mill:guild/smith/age",)


def test_every_constraint_is_in_the_report() -> None:
    assert set(findings()) == WAYS.keys()


def test_all_constraints_of_our_own_modules_are_incremental() -> None:
    own = [finding for finding in report(product_schema()) if finding.node.startswith("/cryptomap-")]
    assert len(own) >= 50
    assert [finding for finding in own if not finding.incremental] == []
