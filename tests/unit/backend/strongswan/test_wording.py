"""charon's lines in an operator's words."""

from __future__ import annotations

import pytest

from cryptomap_backend.strongswan.wording import cause_of


@pytest.mark.parametrize(
    ("line", "words", "child", "refused"),
    [
        ("received AUTHENTICATION_FAILED notify error", "key, certificate or identities differ", False, True),
        ("received NO_PROPOSAL_CHOSEN notify error", "none of our IKE transform sets", False, True),
        ("received NO_PROPOSAL_CHOSEN notify, no CHILD_SA built", "none of our IPsec transform sets", True, True),
        ("received TS_UNACCEPTABLE notify, no CHILD_SA built", "crypto ACL must mirror ours", True, True),
        ("received TEMPORARY_FAILURE notify, no CHILD_SA built", "busy", True, False),
        ("received INVALID_SYNTAX notify error", "the peer refuses (INVALID_SYNTAX)", False, True),
        ("giving up after 5 retransmits", "given up after 5 retransmissions", False, False),
        ("establishing IKE_SA failed, peer not responding", "does not answer", False, False),
        ("tried 1 shared key for '192.0.2.1' - '198.51.100.1', but MAC mismatched", "key differs", False, True),
        ("no shared key found for '192.0.2.1' - '198.51.100.1'", "no pre-shared key", False, True),
        ("constraint check failed: identity 'gw.example' required", "identity is not the configured", False, True),
        ("traffic selectors 10.0.0.0/8 === 10.1.0.0/16 unacceptable", "does not mirror ours", True, True),
        ("unable to install inbound and outbound IPsec SA (SAD) in kernel", "the kernel refused the SA", True, True),
    ],
)
def test_a_cause_is_told(line: str, words: str, child: bool, refused: bool) -> None:
    cause = cause_of(line)
    assert cause is not None
    assert words in cause.text
    assert (cause.child, cause.refused) == (child, refused)


@pytest.mark.parametrize(
    "line",
    [
        "initiating IKE_SA foo[1] to 198.51.100.1",
        "retransmit 1 of request with message ID 0",
        "selected proposal: ESP:AES_CBC_128/HMAC_SHA1_96/NO_EXT_SEQ",
        "",
    ],
)
def test_other_lines_name_no_cause(line: str) -> None:
    assert cause_of(line) is None
