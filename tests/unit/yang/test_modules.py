"""Our modules are clean by pyang and by yanglint, and keep the rulings that no linter knows."""

from __future__ import annotations

import re
import sys
from collections.abc import Callable
from pathlib import Path
from subprocess import CompletedProcess, run

import pytest

from cryptomap.schema.modules import load, own_module_names
from cryptomap.schema.nodes import DataNode, Leaf, LeafList, Schema

YANG = Path(__file__).parents[3] / "yang"
CONTEXT = "/cryptomap-context:contexts/context"
IPSEC = f"{CONTEXT}/cryptomap-ipsec"


def nodes(schema: Schema) -> list[DataNode]:
    found: list[DataNode] = []
    schema.walk(found.append)
    return found


def leaf(schema: Schema, path: str) -> Leaf:
    node = schema.find(path)
    assert isinstance(node, Leaf)
    return node


def test_pyang_finds_nothing() -> None:
    style = ["--lint", "--lint-ensure-hyphenated-names", "--max-line-length", "100"]
    modules = [str(path) for path in sorted(YANG.glob("*.yang"))]
    result = run(
        [sys.executable, "-m", "pyang", *style, "-p", str(YANG), *modules], capture_output=True, text=True, check=False
    )
    assert (result.returncode, result.stdout, result.stderr) == (0, "", "")


@pytest.mark.parametrize("features", ["cryptomap-ipsec:ah,ikev1", "cryptomap-ipsec:", "cryptomap-types:"])
def test_yanglint_finds_nothing(yanglint: Callable[..., CompletedProcess[str]], features: str) -> None:
    result = yanglint("-F", features)
    assert (result.returncode, result.stderr) == (0, "")


def test_namespaces_follow_the_module_names(schema: Schema) -> None:
    ours = {name: schema.namespace_of_module[name] for name in own_module_names()}
    assert ours == {name: f"urn:cryptomap:yang:{name}" for name in own_module_names()}


@pytest.mark.parametrize("module", sorted(YANG.glob("*.yang")), ids=lambda path: path.stem)
def test_no_expression_searches_the_tree(module: Path) -> None:
    """A commit has to check only what its change can affect, so musts look at their surroundings only."""
    for expression in re.findall(r'\b(?:must|when)\s+"([^"]*)"', module.read_text()):
        assert not re.search(r"//|preceding|following|descendant|ancestor|^/", expression), expression


def test_every_must_has_a_message_and_a_tag_of_its_own(schema: Schema) -> None:
    ours = [node for node in nodes(schema) if node.module.startswith("cryptomap-")]
    bare = [node.path for node in ours for must in node.musts if not (must.message and must.app_tag)]
    assert bare == []


def test_secrets_are_sealed_and_hidden_from_everybody(schema: Schema) -> None:
    secrets = {node.path for node in nodes(schema) if isinstance(node, (Leaf, LeafList)) and node.secret}
    keys = {"pre-shared-key", "encrypted-key"}
    expected = {
        f"{IPSEC}:{owner}/ikev2/authentication/{side}/{key}"
        for owner in ("crypto-map", "crypto-template")
        for side in ("local", "remote")
        for key in keys
    } | {
        f"{IPSEC}:crypto-map/manual/session-key/{direction}/{key}"
        for direction in ("inbound", "outbound")
        for key in ("cipher-key", "authenticator-key")
    }
    assert secrets == expected | {"/ietf-system:system/authentication/user/password"}
    assert {schema.find(path).deny for path in secrets} == {"read"}


@pytest.mark.parametrize(
    "path",
    [
        f"{IPSEC}:ipsec-transform-set/hmac",
        f"{IPSEC}:ipsec-transform-set/dscp",
        f"{IPSEC}:crypto-map/match-address",
        f"{IPSEC}:crypto-map/ikev2/ikev2-ikesa/setup-timer",
        f"{CONTEXT}/cryptomap-application:application/dscp",
        f"{CONTEXT}/cryptomap-qos:associate-l2-mapping-table/name",
        f"{CONTEXT}/vrf/cryptomap-qos:associate-l2-mapping-table/system-default",
        "/cryptomap-qos:qos/l2-mapping-table/internal-priority/dot1p-value",
        "/cryptomap-qos:qos/l2-mapping-table/internal-priority/mpls-tc",
    ],
)
def test_no_default_where_unset_means_something(schema: Schema, path: str) -> None:
    node = leaf(schema, path)
    assert (node.default, node.mandatory) == (None, False)


def test_defaults_are_those_of_the_seed(schema: Schema) -> None:
    """The transform set ikesa-foo of the seed has no command at all; its show command prints the first four."""
    seed = {
        "ikev2-ikesa-transform-set/encryption": "cryptomap-types:aes-cbc-128",
        "ikev2-ikesa-transform-set/prf": "cryptomap-types:sha1",
        "ikev2-ikesa-transform-set/hmac": "cryptomap-types:sha1-96",
        "ikev2-ikesa-transform-set/group": "2",
        "ikev2-ikesa-transform-set/lifetime": "86400",
        "ipsec-transform-set/protocol": "esp",
        "ipsec-transform-set/encryption": "cryptomap-types:aes-cbc-128",
        "ipsec-transform-set/group": "none",
        "ipsec-transform-set/mode": "tunnel",
        "ipsec-transform-set/esn": "false",
        "crypto-map/control-dont-fragment": "copy-bit",
        "crypto-map/ikev2/ikev2-ikesa/dscp": "0",
        "crypto-map/ikev2/ikev2-ikesa/fragmentation/enabled": "true",
        "crypto-map/ikev2/ikev2-ikesa/fragmentation/ipv4-mtu": "1384",
        "crypto-map/ikev2/ikev2-ikesa/fragmentation/ipv6-mtu": "1364",
        "crypto-map/ikev2/payload/maximum-child-sa": "1",
        "crypto-map/ikev2/payload/lifetime-sequence-number": "4293918720",
        "crypto-map/ikev2/payload/mtu": "1438",
        "crypto-map/ikev2/natt": "false",
        "crypto-map/ikev2/notify-payload/device-id": "true",
        "crypto-map/ikev2/ocsp/enabled": "false",
        "crypto-map/ikev2/ocsp/nonce": "true",
    }
    assert {path: leaf(schema, f"{IPSEC}:{path}").default for path in seed} == seed


@pytest.mark.parametrize("path", ["interface/cryptomap-ipsec:crypto-map", "cryptomap-acl:access-list/rule"])
def test_order_is_the_users(schema: Schema, path: str) -> None:
    assert getattr(schema.find(f"{CONTEXT}/{path}"), "user_ordered", None) is True


@pytest.mark.parametrize(("path", "most"), [("ikev2/ikev2-ikesa/transform-set", 6), ("ikev2/payload/transform-set", 4)])
def test_proposals_keep_their_order_and_number(schema: Schema, path: str, most: int) -> None:
    node = schema.find(f"{IPSEC}:crypto-map/{path}")
    assert isinstance(node, LeafList)
    assert (node.user_ordered, node.min_elements, node.max_elements) == (True, 0, most)


@pytest.mark.parametrize(
    "path",
    [
        "/cryptomap-platform:platform",
        "/cryptomap-qos:qos/state",
        "/cryptomap-qos:qos/l2-mapping-table/state",
        f"{IPSEC}:crypto-map/state",
        f"{IPSEC}:security-service/state",
        f"{CONTEXT}/interface/cryptomap-ipsec:crypto-map/state",
        f"{CONTEXT}/cryptomap-application:application/state",
    ],
)
def test_state_is_not_configuration(schema: Schema, path: str) -> None:
    assert schema.find(path).config is False


def test_isakmp_policy_is_off_and_ah_is_on(schema: Schema) -> None:
    with pytest.raises(LookupError):
        schema.find(f"{IPSEC}:isakmp-policy")
    assert leaf(schema, f"{IPSEC}:ipsec-transform-set/protocol").type.parse("ah") == "ah"


def test_isakmp_policy_and_ah_follow_their_features() -> None:
    schema = load(own_module_names(), features={"cryptomap-ipsec": ["ikev1"]})
    assert schema.find(f"{IPSEC}:isakmp-policy")
    with pytest.raises(ValueError, match="ah"):
        leaf(schema, f"{IPSEC}:ipsec-transform-set/protocol").type.parse("ah")
