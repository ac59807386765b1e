"""charon's log lines in the words of an operator.

VICI has no event for a failed negotiation, so the log is where its cause is told. Only lines that name a cause are
translated; a cause that charon reports by a notify (RFC 7296 section 3.10.1) keeps the notify's name in parentheses.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

__all__ = ["Cause", "cause_of"]


@dataclass(frozen=True, slots=True)
class Cause:
    """Why a negotiation failed or an SA went. ``child`` is True if the IKE SA survives it; ``refused`` is True if the
    peer said no, as against being silent; ``final`` is True if charon has no event for it."""

    text: str
    child: bool = False
    refused: bool = True
    final: bool = False


_NOTIFY = {
    "AUTHENTICATION_FAILED": "the peer rejects our authentication: key, certificate or identities differ",
    "NO_PROPOSAL_CHOSEN": "the peer accepts none of our IKE transform sets",
    "TS_UNACCEPTABLE": "the peer does not accept our traffic selector: its crypto ACL must mirror ours",
    "INVALID_KE_PAYLOAD": "the peer asks for another DH group",
    "SINGLE_PAIR_REQUIRED": "the peer wants a single pair of addresses as traffic selector",
    "NO_ADDITIONAL_SAS": "the peer accepts no further child SA",
    "INTERNAL_ADDRESS_FAILURE": "the peer has no address to assign",
    "FAILED_CP_REQUIRED": "the peer requires a configuration payload",
    "TEMPORARY_FAILURE": "the peer is busy with another exchange",
}
_CHILD_NOTIFY = {**_NOTIFY, "NO_PROPOSAL_CHOSEN": "the peer accepts none of our IPsec transform sets"}

_NOTIFY_LINE = re.compile(r"received ([A-Z_]+) notify( error|, no CHILD_SA built)")
_RETRANSMITS = re.compile(r"giving up after (\d+) retransmits")

_LINES: tuple[tuple[re.Pattern[str], Cause], ...] = tuple(
    (re.compile(pattern), cause)
    for pattern, cause in (
        (
            r"tried \d+ shared keys? for .* but MAC mismatched",
            Cause("the peer's pre-shared key differs from ours (AUTHENTICATION_FAILED)"),
        ),
        (r"no shared key found for", Cause("there is no pre-shared key for the identities the peers use")),
        (
            r"constraint check failed: identity .* required",
            Cause("the peer's identity is not the configured one (AUTHENTICATION_FAILED)"),
        ),
        (
            r"no trusted \S+ public key found for|no issuer certificate found for|certificate status is not available",
            Cause("the peer's certificate is not of the configured CAs, has expired or was revoked"),
        ),
        (
            r"received proposals unacceptable|received proposals inacceptable",
            Cause("none of our IKE transform sets was offered by the peer (NO_PROPOSAL_CHOSEN)"),
        ),
        (
            r"no acceptable proposal found",
            Cause("none of our IPsec transform sets was offered by the peer (NO_PROPOSAL_CHOSEN)", child=True),
        ),
        (
            r"traffic selectors .* unacceptable",
            Cause("the peer's traffic selector does not mirror ours (TS_UNACCEPTABLE)", child=True),
        ),
        (
            r"unable to install .*IPsec SA \(SAD\) in kernel",
            Cause("the kernel refused the SA: does it have the algorithm, and ESP and AH?", child=True),
        ),
        (r"unable to install IPsec policies", Cause("the kernel refused the policies of the tunnel", child=True)),
        (
            r"establishing IKE_SA failed, peer not responding",
            Cause("the peer does not answer", refused=False, final=True),
        ),
        (r"unable to resolve|no route to", Cause("there is no route to the peer", refused=False)),
    )
)


def cause_of(line: str) -> Cause | None:
    """The cause that a log line names, ``None`` if it names none."""
    if found := _NOTIFY_LINE.search(line):
        notify, child = found[1], found[2] != " error"
        words = (_CHILD_NOTIFY if child else _NOTIFY).get(notify, "the peer refuses")
        return Cause(f"{words} ({notify})", child, refused=notify != "TEMPORARY_FAILURE")
    if found := _RETRANSMITS.search(line):
        return Cause(f"the peer does not answer: given up after {found[1]} retransmissions", refused=False)
    return next((cause for pattern, cause in _LINES if pattern.search(line)), None)
