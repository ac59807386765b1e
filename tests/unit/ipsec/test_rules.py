"""Every commit rule: what it accepts, what it refuses or warns of, and where it says the fault is."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from cryptomap.data.tree import Path as InstancePath
from cryptomap.errors import RpcErrors
from cryptomap.ipsec.platform import Facts
from cryptomap.ipsec.rules import RULES
from cryptomap.ipsec.scope import Policy
from cryptomap.operations.access import Everything
from cryptomap.operations.redact import redacted
from support.gateway import (
    URN,
    Desk,
    acl,
    application,
    binding,
    bundle,
    context,
    contexts,
    crypto_map,
    esp_set,
    ike_set,
    ikev2,
    interface,
    leafs,
    manual,
    qos,
)

ROOT = Path(__file__).parents[3]
CONTEXT = "/cmc:contexts/cmc:context[cmc:name='{}']"


class Case(NamedTuple):
    """What is running, an edit that passes, one that does not, and the finding."""

    rule: str
    passing: str
    failing: str
    tag: str
    path: str
    says: str
    running: str = ""
    severity: str = "error"
    facts: dict[str, Any] = {}
    policy: dict[str, Any] = {}


def red(path: str) -> str:
    return CONTEXT.format("red") + path


def sx(name: str = "sx", by: tuple[str, str] = ("red", "m"), **values: object) -> str:
    return application(name, "sx", protected_by=by, **values)


def made(inner: str, **esp: object) -> str:
    """The bundle with one more thing inside."""
    return contexts(bundle("red", inner, **esp))


def manual_context(*, cipher: int = 16, auth: int = 20, address: str = "192.0.2.254") -> str:
    map_ = crypto_map(type="manual", inner=manual(cipher=cipher, auth=auth))
    return contexts(context("red", interface("if", binding("m"), address=address), acl("a"), esp_set(), map_))


DAY1 = "<day1-complete>true</day1-complete>"
ROW = "<internal-priority><cos>1</cos><color>0</color>{}</internal-priority>"
TABLE = f"<l2-mapping-table><name>T</name>{ROW}</l2-mapping-table>"
DEFAULT = "<system-default-l2-mapping-table>{}</system-default-l2-mapping-table>"

A = "10.0.0.1"

CASES = [
    Case(
        "day1-context",
        passing=contexts(bundle("red", sx(), dscp=40)),
        failing=contexts(bundle("red", dscp=40), context("blue", sx())),
        tag="operation-failed",
        path=CONTEXT.format("blue") + "/cmap:application[cmap:name='sx']/cmap:protected-by",
        says="protect the application with a crypto map of blue, or remove the dscp",
    ),
    Case(
        "day1-late",
        running=contexts(DAY1, bundle("red", sx())),
        passing=contexts(bundle("red", esp_set("other", dscp=40))),
        failing=contexts(context("red", esp_set("esp", dscp=40))),
        tag="operation-failed",
        path=red("/cmi:ipsec-transform-set[cmi:name='esp']/cmi:dscp"),
        says="until crypto map m is applied again (action reapply)",
        severity="warning",
    ),
    Case(
        "day1-late",
        running=contexts(DAY1, bundle("red", sx())),
        passing=contexts(bundle("red", sx("new"), esp_set("other", dscp=40))),
        failing=contexts(context("red", esp_set("esp", dscp=40))),
        tag="operation-failed",
        path=red("/cmi:ipsec-transform-set[cmi:name='esp']/cmi:dscp"),
        says="configure it before day1-complete is set",
        policy={"day1": "enforce"},
    ),
    Case(
        "day1-complete",
        running=contexts(DAY1),
        passing=contexts(DAY1, bundle("red")),
        failing=contexts("<day1-complete>false</day1-complete>"),
        tag="access-denied",
        path="/cmc:contexts/cmc:day1-complete",
        says="ask a recovery user to clear it",
    ),
    Case(
        "day1-foreign-selector",
        passing=contexts(bundle("red", application("sx", "sx", local_address="192.0.2.1"))),
        failing=contexts(bundle("red"), context("blue", application("sx", "sx", local_address="192.0.2.1"))),
        tag="operation-failed",
        path=red("/cmi:crypto-map[cmi:name='m']/cmi:match-address"),
        says="by a crypto map of its own context",
        severity="warning",
    ),
    Case(
        "icsr-tunnel-mode",
        passing=made(application("srp", "srp", icsr="up-up", protected_by=("red", "m"))),
        failing=made(application("srp", "srp", icsr="up-up", protected_by=("red", "m")), mode="transport"),
        tag="operation-failed",
        path=red("/cmi:ipsec-transform-set[cmi:name='esp']/cmi:mode"),
        says="UP:UP ICSR over IPsec works in tunnel mode only",
    ),
    Case(
        "sx-tunnel-mode",
        passing=made(application("rcm", "rcm", protected_by=("red", "m")), mode="transport"),
        failing=made(sx(), mode="transport"),
        tag="operation-failed",
        path=red("/cmi:ipsec-transform-set[cmi:name='esp']/cmi:mode"),
        says="set its mode to tunnel, or list another transform set",
    ),
    Case(
        "map-type-immutable",
        running=made(""),
        passing=contexts(context("red", crypto_map("other", type="dynamic", acl=None, peer=None))),
        failing=contexts(
            context("red", f'<crypto-map xmlns="{URN}-ipsec">{leafs(name="m", type="dynamic")}'
                    '<peer nc:operation="delete"/></crypto-map>')
        ),
        tag="invalid-value",
        path=red("/cmi:crypto-map[cmi:name='m']/cmi:type"),
        says="delete the map, commit, and create it in a second commit",
    ),
    Case(
        "address-family",
        passing=manual_context(),
        failing=manual_context(address="2001:db8::1"),
        tag="operation-failed",
        path=red("/cmc:interface[cmc:name='if']/cmi:crypto-map[cmi:name='m']"),
        says="give it an IPv4 address",
    ),
    Case(
        "manual-key-size",
        passing=manual_context(),
        failing=manual_context(cipher=24),
        tag="invalid-value",
        path=red("/cmi:crypto-map[cmi:name='m']/cmi:manual/cmi:session-key/cmi:inbound/cmi:cipher-key"),
        says="cipher-key has 24 octets, but the algorithm of transform set esp takes 16",
    ),
    Case(
        "algorithm-platform",
        passing=made("", hmac="t:aes-xcbc-96"),
        failing=made("", hmac="t:aes-xcbc-96"),
        tag="invalid-value",
        path=red("/cmi:ipsec-transform-set[cmi:name='esp']/cmi:hmac"),
        says="aes-xcbc-96 is not available for ESP with VPP",
        facts={"vpp": True},
    ),
    Case(
        "algorithm-platform",
        passing=made("", encryption="t:aes-cbc-256"),
        failing=made("", encryption="t:aes-cbc-192"),
        tag="invalid-value",
        path=red("/cmi:ipsec-transform-set[cmi:name='esp']/cmi:encryption"),
        says="aes-cbc-192 needs VPP, which this platform does not have: choose another encryption",
    ),
    Case(
        "algorithm-platform",
        passing=made("", hmac="t:sha2-256-128"),
        failing=made("", hmac="t:sha2-512-256"),
        tag="invalid-value",
        path=red("/cmi:ipsec-transform-set[cmi:name='esp']/cmi:hmac"),
        says="sha2-512-256 needs crypto hardware on VPC-DI",
        facts={"type": "vpc-di"},
    ),
    Case(
        "algorithm-deprecated",
        passing=contexts(context("red", ike_set(group=14))),
        failing=contexts(context("red", ike_set())),
        tag="operation-failed",
        path=red("/cmi:ikev2-ikesa-transform-set[cmi:name='ike']/cmi:group"),
        says="Diffie-Hellman group 2 SHOULD NOT be used (RFC 8247)",
        severity="warning",
    ),
    Case(
        "algorithm-deprecated",
        passing=contexts(context("red", esp_set())),
        failing=contexts(context("red", esp_set(encryption="t:triple-des-cbc"))),
        tag="operation-failed",
        path=red("/cmi:ipsec-transform-set[cmi:name='esp']/cmi:encryption"),
        says="3des-cbc SHOULD NOT be used (RFC 8221)",
        severity="warning",
    ),
    Case(
        "esp-without-integrity",
        passing=contexts(context("red", esp_set(encryption="t:aes-128-gcm-128", hmac="t:null"))),
        failing=contexts(context("red", esp_set(hmac="t:null"))),
        tag="operation-failed",
        path=red("/cmi:ipsec-transform-set[cmi:name='esp']/cmi:hmac"),
        says="encrypts but does not authenticate",
        severity="warning",
    ),
    Case(
        "map-on-several-interfaces",
        running=made(""),
        passing=contexts(context("red", crypto_map("n"), interface("if2", binding("n"), address="192.0.2.253"))),
        failing=contexts(context("red", interface("if2", binding("m"), address="192.0.2.253"))),
        tag="operation-failed",
        path=red("/cmi:crypto-map[cmi:name='m']"),
        says="bound to 2 interfaces (if, if2)",
        severity="warning",
    ),
    Case(
        "dot1p-odd",
        passing=qos(TABLE.format("<dot1p-value>4</dot1p-value>")),
        failing=qos(TABLE.format("<dot1p-value>5</dot1p-value>")),
        tag="operation-failed",
        path=(
            "/cmq:qos/cmq:l2-mapping-table[cmq:name='T']/cmq:internal-priority[cmq:cos='1'][cmq:color='0']"
            "/cmq:dot1p-value"
        ),
        says="0x5 is PCP 2 with the drop eligible indicator set, and some switches drop such frames: use 0x4",
        severity="warning",
    ),
    Case(
        "dot1p-odd",
        passing=qos(DEFAULT.format(ROW.format("<mpls-tc>5</mpls-tc>"))),
        failing=qos(DEFAULT.format(ROW.format("<dot1p-value>15</dot1p-value>"))),
        tag="operation-failed",
        path=(
            "/cmq:qos/cmq:system-default-l2-mapping-table/cmq:internal-priority[cmq:cos='1'][cmq:color='0']"
            "/cmq:dot1p-value"
        ),
        says="0xf is PCP 7",
        severity="warning",
    ),
    Case(
        "retransmission-budget",
        passing=made(crypto_map("n", inner=ikev2(ikesa=leafs(
            max_retransmissions=3, retransmission_timeout=15000, setup_timer=60)))),
        failing=made(crypto_map("n", inner=ikev2(ikesa=leafs(
            max_retransmissions=4, retransmission_timeout=15000, setup_timer=60)))),
        tag="operation-failed",
        path=red("/cmi:crypto-map[cmi:name='n']/cmi:ikev2/cmi:ikev2-ikesa/cmi:setup-timer"),
        says="the retransmissions of n take 75 s, but setup-timer ends the attempt after 60 s",
        severity="warning",
    ),
    Case(
        "dscp-anti-replay",
        passing=made(sx("one") + sx("two"), dscp=40),
        failing=made(sx("one") + sx("two", dscp=46), dscp=40),
        tag="operation-failed",
        path=red("/cmi:crypto-map[cmi:name='m']"),
        says="carry packets of several DSCPs (one 40, two 46)",
        severity="warning",
    ),
    Case(
        "no-effect",
        passing=made(crypto_map("n", inner=ikev2(more="<ocsp><enabled>false</enabled></ocsp>"))),
        failing=made(crypto_map("n", inner=ikev2(more="<ocsp><enabled>true</enabled></ocsp>"))),
        tag="operation-failed",
        path=red("/cmi:crypto-map[cmi:name='n']/cmi:ikev2/cmi:ocsp"),
        says="ocsp of n is kept but has no effect",
        severity="warning",
    ),
    Case(
        "no-effect",
        passing=made(crypto_map("n", inner=ikev2(payload="<lifetime>60</lifetime>"))),
        failing=made(crypto_map("n", inner=ikev2(payload=f"<tsi>{leafs(start_address=A, end_address=A)}</tsi>"))),
        tag="operation-failed",
        path=red("/cmi:crypto-map[cmi:name='n']/cmi:ikev2/cmi:payload[cmi:name='p']/cmi:tsi"),
        says="the traffic selectors of a map are those of its access list",
        severity="warning",
    ),
]  # fmt: skip

YANG_CASES = [
    ("crypto-acl-single-rule", contexts(bundle()), contexts(context("red", acl("a", rule="").replace(">r<", ">s<"))),
     red("/cmi:crypto-map[cmi:name='m']/cmi:match-address")),
    ("transport-mode-dscp", contexts(context("red", esp_set(dscp=40))),
     contexts(context("red", esp_set(dscp=40, mode="transport"))),
     red("/cmi:ipsec-transform-set[cmi:name='esp']/cmi:dscp")),
    ("aead-integrity", contexts(context("red", esp_set(encryption="t:aes-256-gcm-128"))),
     contexts(context("red", esp_set(encryption="t:aes-256-gcm-128", hmac="t:sha1-96"))),
     red("/cmi:ipsec-transform-set[cmi:name='esp']/cmi:hmac")),
    ("esn-off", contexts(context("red", esp_set(esn="false"))), contexts(context("red", esp_set(esn="true"))),
     red("/cmi:ipsec-transform-set[cmi:name='esp']/cmi:esn")),
    ("null-null", contexts(context("red", esp_set(encryption="t:null"))),
     contexts(context("red", esp_set(encryption="t:null", hmac="t:null"))),
     red("/cmi:ipsec-transform-set[cmi:name='esp']/cmi:hmac")),
    ("manual-aead", manual_context(),
     manual_context().replace("<name>esp</name>", "<name>esp</name><encryption>t:aes-128-gcm-128</encryption>"),
     red("/cmi:crypto-map[cmi:name='m']/cmi:manual/cmi:transform-set[.='esp']")),
    ("manual-one-transform-set", manual_context(),
     contexts(context("red", acl("a"), esp_set(), esp_set("two"),
                      crypto_map(type="manual", inner=manual(("esp", "two"))))),
     red("/cmi:crypto-map[cmi:name='m']/cmi:manual")),
    ("spi-min-256", manual_context(),
     contexts(context("red", acl("a"), esp_set(), crypto_map(type="manual", inner=manual(spi=254)))),
     red("/cmi:crypto-map[cmi:name='m']/cmi:manual/cmi:session-key/cmi:inbound/cmi:spi")),
    ("address-family", contexts(bundle()), contexts(context("red", crypto_map(acl=None, peer="2001:db8::1"))),
     red("/cmi:crypto-map[cmi:name='m']/cmi:peer")),
]  # fmt: skip


def desk_of(case: Case) -> Desk:
    desk = Desk(Facts(**case.facts), Policy(**case.policy))
    if case.running:
        desk.load(case.running)
    return desk


@pytest.mark.parametrize("case", CASES, ids=lambda case: f"{case.rule}-{case.severity}")
def test_a_rule_finds_what_it_is_for(case: Case) -> None:
    found = [error for error in desk_of(case).findings(case.failing) if error.app_tag == case.rule]
    assert found, f"{case.rule} found nothing"
    first = found[0]
    assert (first.severity, first.tag, str(first.path)) == (case.severity, case.tag, case.path)
    assert case.says in first.message


@pytest.mark.parametrize("case", CASES, ids=lambda case: f"{case.rule}-{case.severity}")
def test_a_rule_leaves_the_rest_alone(case: Case) -> None:
    desk = desk_of(case._replace(facts={}))
    assert desk.about(case.rule, case.passing) == []
    assert desk.errors(case.passing) == []


@pytest.mark.parametrize(("rule", "passing", "failing", "path"), YANG_CASES, ids=[case[0] for case in YANG_CASES])
def test_a_rule_of_the_models(rule: str, passing: str, failing: str, path: str) -> None:
    desk = Desk()
    assert desk.errors(passing) == []
    if rule == "crypto-acl-single-rule":
        desk.load(passing)
    assert (rule, path) in [(error.app_tag, str(error.path)) for error in desk.errors(failing)]


def test_backend_capability_names_the_transform_set_and_tells_algorithms_from_features() -> None:
    desk = Desk(lacks=["aes-cbc-256", "dead-peer-detection"])
    edit = contexts(bundle("red", crypto_map(inner=ikev2(more="<keepalive/>")), encryption="t:aes-cbc-256"))
    found = {error.app_tag: (error.tag, str(error.path)) for error in desk.errors(edit)}
    assert found == {
        "unsupported-algorithm": ("operation-not-supported", red("/cmi:ipsec-transform-set[cmi:name='esp']")),
        "backend-capability": ("operation-not-supported", red("/cmi:crypto-map[cmi:name='m']")),
    }
    assert desk.errors(contexts(bundle())) == []


NAMED = {
    "day1-context": ["application", "crypto-map", "ipsec-transform-set"],
    "day1-late": ["application", "crypto-map", "ipsec-transform-set"],
    "day1-foreign-selector": ["application", "crypto-map"],
    "icsr-tunnel-mode": ["application", "crypto-map", "ipsec-transform-set"],
    "sx-tunnel-mode": ["application", "crypto-map", "ipsec-transform-set"],
    "address-family": ["crypto-map", "interface"],
    "map-on-several-interfaces": ["crypto-map", "interface"],
    "dscp-anti-replay": ["application", "crypto-map"],
}
"""The lists of which a rule names entries in its message."""


class Blind(Everything):
    """A reader who sees no entry of one list."""

    def __init__(self, hidden: str) -> None:
        self._hidden = hidden

    def sees(self, path: InstancePath) -> bool:
        return all(node.name != self._hidden for node, _ in path)


@pytest.mark.parametrize("case", [case for case in CASES if case.rule in NAMED], ids=lambda case: case.rule)
def test_what_a_rule_finds_is_not_told_to_who_may_not_read_all_that_it_names(case: Case) -> None:
    desk = desk_of(case)
    found = RpcErrors([error for error in desk.findings(case.failing) if error.app_tag == case.rule])
    for kind in NAMED[case.rule]:
        for told in redacted(desk.schema, Blind(kind), found).errors:
            assert (told.path, told.message) == (None, "something is wrong that you may not read; ask a user who may")
    assert redacted(desk.schema, Blind("vrf"), found) is found


def test_a_service_binds_one_template_and_templates_serve_many() -> None:
    """template-per-service is the shape of the model: a leaf holds one name, and any number of leafs the same."""
    template = f'<crypto-template xmlns="{URN}-ipsec"><name>t</name>{ikev2()}</crypto-template>'
    service = f'<security-service xmlns="{URN}-ipsec"><name>{{}}</name><bind>{{}}</bind></security-service>'
    both = [service.format(name, leafs(address="192.0.2.9", crypto_template="t")) for name in ("one", "two")]
    none = service.format("none", "")
    edit = contexts(context("red", ike_set(group=14), esp_set(), template, *both, none))
    assert Desk().errors(edit) == []


# ===== when a rule counts =====


def test_rules_that_compare_with_running_count_for_commits_only() -> None:
    desk = Desk(policy=Policy(day1="enforce"))
    desk.load(contexts(DAY1, bundle("red", sx())))
    late = contexts(context("red", esp_set("esp", dscp=40)))
    assert desk.about("day1-late", late)
    for kind in ("startup", "reconcile", "revert", "cancel", "rollback"):
        assert desk.about("day1-late", late, kind=kind) == []


def test_rules_that_do_not_compare_count_for_a_rollback_too() -> None:
    desk = Desk()
    foreign = contexts(bundle("red", dscp=40), context("blue", sx()))
    assert desk.about("day1-context", foreign, kind="rollback")


def test_a_recovery_user_clears_day1_complete() -> None:
    desk = Desk(policy=Policy(is_recovery_user=lambda user: user == "root"))
    desk.load(contexts(DAY1))
    clear = contexts("<day1-complete>false</day1-complete>")
    assert desk.about("day1-complete", clear, user="root") == []
    assert desk.about("day1-complete", clear, user="alice")


@pytest.mark.parametrize("facts", [Facts(role="control-plane")])
def test_day1_does_not_bind_control_planes(facts: Facts) -> None:
    assert Desk(facts).about("day1-context", contexts(bundle("red", dscp=40), context("blue", sx()))) == []


def test_day1_binds_the_applications_of_the_seed_only() -> None:
    other = application("x", "other", protected_by=("red", "m"))
    assert Desk().about("day1-context", contexts(bundle("red", dscp=40), context("blue", other))) == []


def test_a_foreign_context_without_a_dscp_is_no_day1_matter_until_it_gets_one() -> None:
    desk = Desk()
    desk.load(contexts(bundle("red"), context("blue", sx())))
    late = contexts(context("red", esp_set("esp", dscp=0)))
    assert [path for _, _, path in desk.about("day1-context", late)] == [
        CONTEXT.format("blue") + "/cmap:application[cmap:name='sx']/cmap:protected-by"
    ]


def test_a_new_application_or_a_second_dscp_is_not_late() -> None:
    desk = Desk(policy=Policy(day1="enforce"))
    desk.load(contexts(DAY1, bundle("red", sx(), dscp=40)))
    assert desk.about("day1-late", contexts(context("red", esp_set("esp", dscp=46)))) == []
    assert desk.about("day1-late", contexts(context("red", sx("new")))) == []


def test_type_change_by_delete_and_create_in_one_commit_is_a_change() -> None:
    desk = Desk()
    desk.load(contexts(bundle()))
    swapped = contexts(
        context(
            "red",
            crypto_map(type="dynamic", acl=None, peer=None).replace(
                "<crypto-map ", '<crypto-map nc:operation="replace" '
            ),
        )
    )
    assert [tag for _, tag, _ in desk.about("map-type-immutable", swapped)] == ["invalid-value"]


def test_the_foreign_selector_is_found_from_either_side_and_after_each_change() -> None:
    desk = Desk()
    desk.load(contexts(bundle("red"), context("blue", interface("if", address="192.0.2.9"))))
    app = application("sx", "sx", interface="if")
    assert desk.about("day1-foreign-selector", contexts(context("blue", app))) == []
    desk.load(contexts(context("blue", app)))
    moved = contexts(context("blue", interface("if", address="192.0.2.1")))
    wider = contexts(context("red", acl("a", source="192.0.2.77/24")))  # the bits beyond the length do not count
    assert desk.about("day1-foreign-selector", moved)
    assert desk.about("day1-foreign-selector", wider)
    desk.load(wider)
    assert desk.about("day1-foreign-selector", contexts(context("red", crypto_map("second"))))


# ===== the registry and its page =====


def test_every_rule_has_a_case() -> None:
    assert {rule.name for rule in RULES} - {"backend-capability"} == {case.rule for case in CASES}


def test_a_rule_that_warns_never_refuses_and_one_that_refuses_is_asked_at_a_start() -> None:
    warning = {rule.name for rule in RULES if rule.warns}
    assert warning == {case.rule for case in CASES} - {case.rule for case in CASES if case.severity == "error"}


def test_every_finding_carries_the_name_of_its_rule() -> None:
    """Or one of the two tags of backend-capability."""
    names = {rule.name for rule in RULES} | {"unsupported-algorithm"}
    source = "".join(path.read_text() for path in (ROOT / "server/cryptomap/ipsec/rules").glob("*.py"))
    assert set(re.findall(r'app_tag="([\w-]+)"', source)) <= names


def test_the_page_lists_every_rule_of_both_kinds() -> None:
    page = (ROOT / "docs/rules.md").read_text()
    models = "".join(path.read_text() for path in (ROOT / "yang").glob("*.yang"))
    tags = set(re.findall(r'error-app-tag "([\w-]+)"', models))
    missing = {name for name in tags | {rule.name for rule in RULES} if f"`{name}`" not in page}
    assert missing == set()


def test_cost_follows_the_change() -> None:
    """One leaf of one map among many touches that map and its tunnel, nothing else."""
    desk = Desk()
    many = [crypto_map(f"m{n}") for n in range(50)]
    bound = interface("if", *[binding(f"m{n}") for n in range(50)])
    desk.load(contexts(context("red", bound, acl("a"), ike_set(group=14), esp_set(), *many)))
    peer = f'<crypto-map xmlns="{URN}-ipsec"><name>m7</name><peer>203.0.113.7</peer></crypto-map>'
    scope = desk.load(contexts(context("red", peer)))
    assert {item.name for item in scope.affected.maps} == {"m7"}
    assert {item.crypto_map for item in scope.affected.bindings} == {"m7"}
    assert replace(scope.affected, maps=set(), bindings=set()).is_empty
