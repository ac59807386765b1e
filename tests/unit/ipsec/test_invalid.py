"""What the commit rules say of configurations that violate their modules: one reply tells everything."""

from __future__ import annotations

from collections.abc import Iterator
from copy import deepcopy

import pytest
from lxml import etree

from cryptomap.errors import RpcErrors
from support.gateway import (
    ALICE,
    Site,
    acl,
    application,
    binding,
    bundle,
    context,
    contexts,
    crypto_map,
    interface,
    sample,
)

FAILED = "a commit rule failed"


def refusals(site: Site, inner: str) -> list[tuple[str | None, str]]:
    """(error-app-tag or error-tag, last step of the path) of each rpc-error that answers a commit."""
    with pytest.raises(RpcErrors) as caught:
        site.commit(inner)
    return [(error.app_tag or error.tag, str(error.path).rpartition("/")[2]) for error in caught.value.errors]


FOREIGN = contexts(
    bundle("red", dscp=40),
    context("blue", application("far", "srp", protected_by=("red", "m"))),
    context("red", crypto_map("adrift", acl="nowhere")),
)


def test_a_rule_speaks_beside_a_violation(site: Site, caplog: pytest.LogCaptureFixture) -> None:
    day1 = ("day1-context", "cmap:protected-by")
    assert refusals(site, FOREIGN) == [("instance-required", "cmi:match-address"), day1]
    assert FAILED not in caplog.text


def test_a_rule_is_silent_about_what_depends_on_a_violation(site: Site) -> None:
    """Whether the map of the application is marked is not known while its access list is not there."""
    broken = FOREIGN.replace("<match-address>a</match-address>", "<match-address>none</match-address>")
    assert broken != FOREIGN
    assert refusals(site, broken) == [("instance-required", "cmi:match-address")] * 2


def test_what_has_become_invalid_before_is_left_alone_too(site: Site) -> None:
    site.commit(contexts(bundle("red", application("near", "sx", protected_by=("red", "m")))))
    gone = acl("a").replace("<access-list ", '<access-list nc:operation="delete" ')
    transport = '<ipsec-transform-set xmlns="urn:cryptomap:yang:cryptomap-ipsec"><name>esp</name><mode>transport</mode>'
    edit = contexts(context("red", gone, f"{transport}</ipsec-transform-set>"))
    assert refusals(site, edit) == [("instance-required", "cmi:match-address")]


def test_a_violation_of_an_interface_silences_what_is_bound_to_it(site: Site, caplog: pytest.LogCaptureFixture) -> None:
    edit = contexts(bundle("red"), context("red", interface("other", binding("missing"), address="2001:db8::1")))
    assert ("instance-required", "cmi:name") in refusals(site, edit)
    assert FAILED not in caplog.text


def parts(root: etree._Element) -> Iterator[etree._Element]:
    """The same configuration without one of its elements, for each of them."""
    for place in range(1, len(list(root.iter("*")))):
        left = deepcopy(root)
        element = list(left.iter("*"))[place]
        parent = element.getparent()
        assert parent is not None
        parent.remove(element)
        if element.tag.rpartition("}")[2] not in ("name", "dscp", "cos", "color"):  # a key is asked for while reading
            yield left


def test_no_rule_fails_whatever_is_missing(site: Site, caplog: pytest.LogCaptureFixture) -> None:
    """Every element of a rich configuration is left out once, from nothing and from all of it."""
    refused = 0
    for running in (None, sample("seed")):
        if running is not None:
            site.datastores.edit(ALICE, "candidate", running)
            site.commit()
        for left in parts(sample("seed")):
            site.datastores.edit(ALICE, "candidate", left, default_operation="replace")
            try:
                site.datastores.validate(ALICE, "candidate")
            except RpcErrors:
                refused += 1
    assert refused > 20
    assert FAILED not in caplog.text
