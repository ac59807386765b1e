"""The reader: modes, abbreviations, ``no`` and ``default``, and that nothing is taken by guessing."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from cryptomap.data.tree import Node
from cryptomap.schema.modules import default_module_names, load
from cryptomap.schema.nodes import Schema
from cryptomap.staros import Imported, Reject, export_text, import_text
from cryptomap.staros.paths import entries_at, explicit, values_at

Import = Callable[..., Imported]
Reasons = Callable[[str], dict[int, str]]

CONTEXTS = "cryptomap-context:contexts/context"
MAPS = "cryptomap-ipsec:crypto-map"
IKE = "ikev2/ikev2-ikesa"
IN_MAP = "context c\ncrypto map m ikev2-ipv4\n"
IN_SET = "context c\nipsec transform-set s\n"


def context_of(root: Node) -> Node:
    [context] = entries_at(root, CONTEXTS).nodes()
    return context


def map_of(root: Node) -> Node:
    [crypto_map] = entries_at(context_of(root), MAPS).nodes()
    return crypto_map


def set_of(root: Node) -> Node:
    [transform_set] = entries_at(context_of(root), "cryptomap-ipsec:ipsec-transform-set").nodes()
    return transform_set


# ===== modes =====


@pytest.mark.parametrize("leave", ["exit", "#exit", "EXIT", "ex", "  #exit  "])
def test_exit_in_any_form_closes_one_mode(take: Import, leave: str) -> None:
    root = take(f"{IN_MAP}payload p match ipv4\n{leave}\npeer 192.0.2.1").root
    assert explicit(map_of(root), "peer") == "192.0.2.1"


@pytest.mark.parametrize("begin", ["config\n", "Configure\n", ""])
def test_configure_may_begin_the_text(take: Import, begin: str) -> None:
    assert explicit(context_of(take(f"{begin}context c").root), "name") == "c"


def test_end_closes_all_modes_and_configure_begins_anew(take: Import, reasons: Reasons) -> None:
    assert explicit(map_of(take(f"{IN_MAP}end\nconfig\n{IN_MAP}peer 192.0.2.1").root), "peer") == "192.0.2.1"
    assert reasons(f"{IN_MAP}end\ncontext d\n") == {
        4: "only 'configure' can follow 'end', or the 'exit' of configure mode"
    }


def test_an_exit_too_many_is_reported(reasons: Reasons) -> None:
    assert reasons("context c\nexit\nexit\nexit") == {4: "there is no mode to leave"}


def test_configure_inside_a_mode_begins_anew_and_says_so(take: Import) -> None:
    imported = take(f"{IN_MAP}config\ncontext c")
    assert [(note.line_number, note.text) for note in imported.notes] == [
        (3, "'config' inside 'crypto map m ikev2-ipv4': configuration begins anew")
    ]


def test_a_mode_may_be_entered_again(take: Import) -> None:
    text = f"{IN_MAP}peer 192.0.2.1\nexit\ncrypto map m ikev2-ipv4\nmatch address a\n"
    crypto_map = map_of(take(text).root)
    assert (explicit(crypto_map, "peer"), explicit(crypto_map, "match-address")) == ("192.0.2.1", "a")


def test_a_loopback_stays_one_when_its_mode_is_entered_without_the_word(take: Import) -> None:
    root = take("context c\ninterface x loopback\nexit\ninterface x\n").root
    [interface] = entries_at(context_of(root), "interface").nodes()
    assert explicit(interface, "loopback") == "true"


# ===== abbreviations =====

ABBREVIATED = [
    ("ikev2 max-r 3", f"{IKE}/max-retransmissions", "3"),
    ("ikev2-ikesa max-retransmission 3", f"{IKE}/max-retransmissions", "3"),
    ("ik ret 300 exp", f"{IKE}/retransmission-exponential", "true"),
    ("IKEV2-IKESA REKEY DIS", f"{IKE}/rekey-disallow-param-change", "true"),
    ("control cop", "control-dont-fragment", "copy-bit"),
    ("white", "ikev2/whitelist", ""),
    ("ocsp res 192.0.2.1 p 80", "ikev2/ocsp/responder-port", "80"),
]


@pytest.mark.parametrize(("line", "path", "value"), ABBREVIATED)
def test_unique_abbreviations_are_taken(take: Import, line: str, path: str, value: str) -> None:
    assert explicit(map_of(take(IN_MAP + line).root), path) == value


AMBIGUOUS = [
    (IN_MAP + "ikev2-ikesa re", 3, "'re' can be rekey or retransmission-timeout: write more of it"),
    (IN_MAP + "ca list ca-cert-name x", 3, "'ca' can be ca-certificate or ca-crl: write more of it"),
    (IN_MAP + "n", 3, "'n' can be natt, no or notify-payload: write more of it"),
    (IN_SET + "encryption aes-cbc", 3, "'aes-cbc' can be aes-cbc-128 or aes-cbc-256: write more of it"),
    (IN_SET + "e", 3, "'e' can be encryption, end, esn or exit: write more of it"),
    ("context c\ncrypto map m ikev2", 2, "the line can be read in more than one way: write its keywords in full"),
]


@pytest.mark.parametrize(("text", "number", "reason"), AMBIGUOUS, ids=[case[0].split("\n")[-1] for case in AMBIGUOUS])
def test_an_abbreviation_that_is_not_unique_is_refused(reasons: Reasons, text: str, number: int, reason: str) -> None:
    assert reasons(text) == {number: reason}


def test_names_are_never_abbreviated_and_keep_their_case(take: Import) -> None:
    assert explicit(map_of(take(f"{IN_MAP}match address IP").root), "match-address") == "IP"


# ===== no and default =====


def test_no_removes_a_setting(take: Import) -> None:
    crypto_map = map_of(take(f"{IN_MAP}match address a 5\npeer 192.0.2.1\nno match address\nno peer 192.0.2.1").root)
    assert [explicit(crypto_map, path) for path in ("match-address", "match-preference", "peer")] == [None] * 3


def test_no_of_another_value_removes_nothing(take: Import) -> None:
    imported = take(f"{IN_MAP}peer 192.0.2.1\nno peer 192.0.2.9")
    assert explicit(map_of(imported.root), "peer") == "192.0.2.1"
    assert [note.text for note in imported.notes] == ["there is nothing to remove"]


def test_no_of_a_flag_is_false_and_default_is_unset(take: Import) -> None:
    assert explicit(map_of(take(f"{IN_MAP}natt\nno natt").root), "ikev2/natt") == "false"
    assert explicit(map_of(take(f"{IN_MAP}natt\ndefault natt").root), "ikev2/natt") is None


def test_no_of_a_flag_takes_its_options_along(take: Import) -> None:
    text = f"{IN_MAP}ikev2-ikesa policy error-notification invalid-syntax\nno ikev2-ikesa policy error-notification"
    crypto_map = map_of(take(text).root)
    assert explicit(crypto_map, f"{IKE}/policy/error-notification") == "false"
    assert explicit(crypto_map, f"{IKE}/policy/error-notification-cause") is None


def test_default_of_an_option_leaves_the_flag(take: Import) -> None:
    text = f"{IN_MAP}ikev2-ikesa rekey disallow-param-change\ndefault ikev2-ikesa rekey disallow-param-change"
    crypto_map = map_of(take(text).root)
    assert explicit(crypto_map, f"{IKE}/rekey") == "true"
    assert explicit(crypto_map, f"{IKE}/rekey-disallow-param-change") is None


@pytest.mark.parametrize("line", ["default encryption", "default hmac", "default group", "default mode", "no dscp"])
def test_defaults_of_a_transform_set(take: Import, line: str) -> None:
    settings = "encryption null\nhmac md5-96\ngroup 5\nmode transport\ndscp 0x28\n"
    leaf = line.split()[1]
    assert explicit(set_of(take(IN_SET + settings).root), leaf) is not None
    assert explicit(set_of(take(IN_SET + settings + line).root), leaf) is None


@pytest.mark.parametrize("table", ["name t", "system-default"])
def test_no_associate_removes_either_kind(take: Import, table: str) -> None:
    text = f"context c\nassociate l2-mapping-table {table}\nno associate l2-mapping-table"
    assert take(text).root == take("context c").root


def test_default_of_a_mapping_is_priority_0_again(take: Import) -> None:
    line = "qos ip-dscp-iphb-mapping dscp 0x28"
    assert take(f"{line} internal-priority cos 0x1\ndefault {line}").root.is_empty


def test_no_works_on_what_is_there_already(take: Import) -> None:
    base = take("context c\nexit\ncontext d").root
    assert take("no context d", base).root == take("context c").root
    assert take("", base).root == base


def test_no_of_what_is_not_there_says_so(take: Import) -> None:
    imported = take("context c\nno crypto map m")
    assert [(note.line_number, note.text) for note in imported.notes] == [(2, "there is nothing to remove")]


def test_an_object_has_no_default(reasons: Reasons) -> None:
    assert reasons("default context c") == {1: "'default' is for settings; remove it with 'no'"}


# ===== a setting replaces a setting =====


def test_the_last_line_counts(take: Import) -> None:
    text = f"{IN_MAP}match address a 5\nmatch address b\nikev2-ikesa transform-set list x y\n"
    crypto_map = map_of(take(text + "ikev2-ikesa transform-set list z").root)
    assert (explicit(crypto_map, "match-address"), explicit(crypto_map, "match-preference")) == ("b", None)
    assert values_at(crypto_map, f"{IKE}/transform-set") == ("z",)


def test_cases_of_a_choice_exclude_each_other(take: Import) -> None:
    crypto_map = map_of(take(f"{IN_MAP}whitelist\nblacklist").root)
    assert (explicit(crypto_map, "ikev2/whitelist"), explicit(crypto_map, "ikev2/blacklist")) == (None, "")


# ===== what is not taken =====

REFUSED = [
    (IN_MAP + "frobnicate 5", 3, "'frobnicate' is not a command of crypto map mode"),
    (IN_MAP + "no frobnicate", 3, "'frobnicate' is not a command of crypto map mode"),
    (IN_MAP + "ikev2-ikesa frobnicate", 3, "'frobnicate' is not expected here; allow-empty-ikesa, ddos, dscp,"),
    (IN_MAP + "ikev2-ikesa", 3, "the line ends where allow-empty-ikesa, ddos, dscp,"),
    (IN_MAP + "peer", 3, "the line ends where <peer> is expected"),
    (IN_MAP + "peer foo", 3, "'foo'"),
    (IN_MAP + "peer 192.0.2.1 192.0.2.2", 3, "'192.0.2.2' is not expected here"),
    (IN_MAP + "ikev2-ikesa max-retransmissions 9", 3, "9"),
    (IN_MAP + "ikev2-ikesa transform-set list a b a", 3, "'a' is listed twice"),
    (
        IN_MAP + "ikev2-ikesa policy",
        3,
        "the line ends where invalid-major-version, invalid-message-id or",
    ),
    (IN_MAP + "natt include-header", 3, "'include-header' is not expected here"),
    (IN_MAP + "keepalive interval", 3, "the line ends where <interval> is expected"),
    (IN_MAP + "keepalive often", 3, "'often' is not expected here; interval, timeout or num-retry could follow"),
    (IN_MAP + "do show crypto map", 3, "'do' runs a command; this is not configuration"),
    (IN_MAP + 'remote-secret-list "a', 3, "a double quote has no counterpart"),
    (IN_SET + "dscp 0x40", 3, "0x40"),
    (IN_SET + "dscp dscp_value", 3, "'dscp_value' is not a number in hex: write it with 0x"),
    (IN_SET + "dscp 40", 3, "'40' is not a number in hex: write it with 0x"),
    (IN_SET + "encryption rot13", 3, "'rot13' is none of 3des-cbc, aes-128-gcm-128,"),
    (IN_SET + "encryption aes-192-gcm", 3, "'aes-192-gcm' has no keyword in StarOS: set it by NETCONF"),
    ("context c\ninterface x\nip address 192.0.2.1", 3, "the line ends where a mask is expected"),
    ("context c\ninterface x\nip address 192.0.2.1 255.0.255.0", 3, "'255.0.255.0' is not a mask"),
    ("context c\ninterface x\nip address 192.0.2.1 0.0.0.255", 3, "'0.0.0.255' is not a mask"),
    ("context c\ninterface x\nip address 192.0.2.1/33", 3, "33"),
    ("context c\ninterface x\nip address 2001:db8::1 255.0.0.0", 3, "2001:db8::1"),
    ("context c\ninterface x\nipv6 address 2001:db8::1", 3, "'2001:db8::1' lacks its /prefix-length"),
    ("context c\nsx-service x\nbind ipv4-address 2001:db8::1", 3, "'2001:db8::1' is not an IPv4 address"),
    ("context c\nsx-service x\ninstance-type userplane", 3, "'instance-type' is not a command of sx-service mode"),
    ("qos l2-mapping-table name t\ninternal-priority cos 0x8 color 0x0", 2, "0x8"),
    ("qos l2-mapping-table name t\ninternal-priority color 0x0 cos 0x1", 2, "'color' stands where 'cos' is expected"),
    ("qos ip-dscp-iphb-mapping dscp 0x28", 1, "the line ends where 'internal-priority' is expected"),
]


@pytest.mark.parametrize(("text", "number", "reason"), REFUSED, ids=[case[0].split("\n")[-1] for case in REFUSED])
def test_a_line_is_refused_with_a_reason(reasons: Reasons, text: str, number: int, reason: str) -> None:
    refused = reasons(text)
    assert list(refused) == [number]
    assert reason in refused[number]


def test_a_refused_line_changes_nothing(take: Import, schema: Schema) -> None:
    line = "ocsp responder-address 192.0.2.1 port 99999"
    assert import_text(schema, IN_MAP + line).root == take(IN_MAP).root


def test_a_refused_line_is_reported_as_written_but_for_keys(schema: Schema) -> None:
    text = f"{IN_MAP}  peer  foo bar\n  authentication local pre-shared-key keys s3cret\n"
    rejects = import_text(schema, text).rejects
    assert [(reject.line_number, reject.line) for reject in rejects] == [
        (3, "peer foo bar"),
        (4, "authentication local pre-shared-key <hidden> <hidden>"),
    ]
    assert all("s3cret" not in reject.reason for reject in rejects)


NOT_TAKEN = [
    ("crypto map m ipsec-ikev1", "'ipsec-ikev1' stands where ikev2-ipv4, ikev2-ipv6, ipsec-manual or ipsec-dynamic"),
    ("crypto template t ikev1", "'ikev1' stands where 'ikev2-dynamic' is expected"),
    ("crypto group g", "this server has nothing for it"),
    ("service-redundancy-protocol", "only its protection by a crypto map is configured here, by NETCONF"),
    ("sgw-service s", "this server has nothing for it"),
    ("aaa group default", "this server has nothing for it"),
    ("ikev1 policy 1", "this server has no isakmp-policy here: a YANG feature is off"),
    ("interface x tunnel", "'tunnel' is not expected here; loopback could follow"),
]


@pytest.mark.parametrize(("opener", "reason"), NOT_TAKEN)
def test_a_block_that_is_not_taken_is_reported_line_by_line(
    schema: Schema, take: Import, opener: str, reason: str
) -> None:
    """Its lines are about something else than the mode around it, so none may be taken there."""
    text = f"context c\n{opener}\n  ip access-list foo0\n  description x\n#exit\nip access-list foo1\n"
    imported = import_text(schema, text)
    assert [reject.line_number for reject in imported.rejects] == [2, 3, 4]
    assert reason in imported.rejects[0].reason
    assert imported.rejects[1].reason.startswith(f"it stands inside '{opener}': that was not taken (")
    assert imported.root == take("context c\nip access-list foo1").root


def test_a_map_keeps_its_type(schema: Schema, take: Import) -> None:
    imported = import_text(schema, f"{IN_MAP}exit\ncrypto map m ikev2-ipv6\npeer 2001:db8::1\nexit\n")
    assert [reject.line_number for reject in imported.rejects] == [4, 5]
    assert "with type ikev2-ipv4 instead of ikev2-ipv6" in imported.rejects[0].reason
    assert imported.root == take(IN_MAP).root


def test_an_access_list_keeps_its_family(reasons: Reasons) -> None:
    refused = reasons("context c\nip access-list a\nexit\nipv6 access-list a\n")
    assert refused == {4: "one of that name was made by 'ip access-list': give one of them another name"}


def test_nothing_in_a_text_raises(schema: Schema) -> None:
    imported = import_text(schema, '\x00\n"\nno\ndefault\nno no\n \ufeffcontext c\ncontext\n#\nexit exit\n')
    assert [reject.line_number for reject in imported.rejects] == [1, 2, 3, 4, 5, 6, 7, 9]
    assert imported.root.is_empty
    assert isinstance(imported.rejects[0], Reject)


# ===== what depends on features =====


def test_isakmp_policies_are_there_with_their_feature() -> None:
    schema = load(default_module_names(), features={"cryptomap-ipsec": {"ikev1", "ah"}})
    policy = ["    ikev1 policy 1", "      authentication preshared-key", "      encryption 3des-cbc", "      hash md5"]
    policy += ["      group 2", "      lifetime 3600", "    #exit"]
    imported = import_text(schema, "\n".join(["context c", *policy]))
    assert imported.rejects == ()
    assert "\n".join(policy) in export_text(schema, imported.root).text
