"""What crypto maps and crypto templates have in common: authentication, the IKE SA, payloads."""

from __future__ import annotations

from cryptomap.staros.arguments import Fixed, Flag, Subset, Value, Values
from cryptomap.staros.forms import Hex
from cryptomap.staros.grammar import Mode
from cryptomap.staros.keys import PreSharedKey
from cryptomap.staros.statements import Command, Entry

__all__ = ["CERTIFICATES", "EAP", "IKE_SA", "MAP_PAYLOADS", "PEER_CHECKS", "TEMPLATE_PAYLOADS", "authentication"]

_AUTH = "ikev2/authentication"
_IKE = "ikev2/ikev2-ikesa"
_POLICY = f"{_IKE}/policy"
_CAUSES = f"{_POLICY}/error-notification-cause"
_NOTIFY = "ikev2/notify-payload"
_KEEPALIVE = "ikev2/keepalive"


def authentication(side: str) -> tuple[Command, ...]:
    """``side`` is local or remote."""
    at = f"{_AUTH}/{side}"
    return (
        Command(
            f"authentication {side} pre-shared-key",
            (PreSharedKey(f"{at}/pre-shared-key", f"{at}/encrypted-key"),),
        ),
        Command(f"authentication {side} certificate", fixed={f"{at}/certificate": ""}),
    )


EAP = (
    Command("authentication remote eap-profile", (Value(f"{_AUTH}/remote/eap-profile"),)),
    # Without a side it is the peer's, too: only who asks for a service proves itself by EAP (RFC 7296 section 2.16).
    Command("authentication eap-profile", (Value(f"{_AUTH}/remote/eap-profile"),), written=False),
)

CERTIFICATES = (
    Command("certificate", (Value("ikev2/certificate"),)),
    Command(
        "ca-certificate list",
        (Values("ikev2/ca-certificate", each="ca-cert-name"),),
        undo="ca-certificate",
    ),
    Command("ca-crl list", (Values("ikev2/ca-crl", each="ca-crl-name"),), undo="ca-crl"),
    Command("ocsp", switch="ikev2/ocsp/enabled"),
    Command("ocsp nonce", switch="ikev2/ocsp/nonce"),
    Command(
        "ocsp responder-address",
        (Value("ikev2/ocsp/responder-address"), Value("ikev2/ocsp/responder-port", "port", optional=True)),
    ),
    Command("allow-cert-enc cert-hash-url", switch="ikev2/allow-cert-enc-cert-hash-url"),
    Command("allow-custom-fqdn-idr", switch="ikev2/allow-custom-fqdn-idr"),
)

_DDOS = ("half-open-timer", "decrypt-fail-count", "max-ikev2-requests", "message-queue-size", "rekey-rate")

IKE_SA = (
    Command("ikev2-ikesa allow-empty-ikesa", switch=f"{_IKE}/allow-empty-ikesa"),
    Command("ikev2-ikesa max-retransmissions", (Value(f"{_IKE}/max-retransmissions"),)),
    Command(
        "ikev2-ikesa retransmission-timeout",
        (Value(f"{_IKE}/retransmission-timeout"), Flag("exponential", f"{_IKE}/retransmission-exponential")),
    ),
    Command("ikev2-ikesa setup-timer", (Value(f"{_IKE}/setup-timer"),)),
    Command("ikev2-ikesa transform-set list", (Values(f"{_IKE}/transform-set"),)),
    Command(
        "ikev2-ikesa rekey",
        (Flag("disallow-param-change", f"{_IKE}/rekey-disallow-param-change"),),
        switch=f"{_IKE}/rekey",
    ),
    Command("ikev2-ikesa policy error-notification", (Subset(_CAUSES),), switch=f"{_POLICY}/error-notification"),
    Command(
        "ikev2-ikesa policy",
        (Subset(_CAUSES, optional=False),),
        switch=f"{_POLICY}/error-notification",
        written=False,
    ),
    Command("ikev2-ikesa policy use-rfc5996-notification", switch=f"{_POLICY}/use-rfc5996-notification"),
    Command("ikev2-ikesa dscp", (Value(f"{_IKE}/dscp", form=Hex(2)),)),
    # The names are those of the show command; their form on a line is recalled.
    *(Command(f"ikev2-ikesa ddos {name}", (Value(f"{_IKE}/ddos/{name}"),)) for name in _DDOS),
    Command("ikev2-ikesa ddos max-certificate-size", (Value(f"{_IKE}/ddos/max-certificate-size"),)),
)

PEER_CHECKS = (
    Command(
        "keepalive",
        (
            Value(f"{_KEEPALIVE}/interval", "interval", optional=True),
            Value(f"{_KEEPALIVE}/timeout", "timeout", optional=True),
            Value(f"{_KEEPALIVE}/num-retry", "num-retry", optional=True),
        ),
        presence=_KEEPALIVE,
    ),
    Command("natt", switch="ikev2/natt"),
    Command("notify-payload device-id", switch=f"{_NOTIFY}/device-id"),
    *(
        Command(
            f"notify-payload error-message-type {name} base",
            (Value(f"{_NOTIFY}/error-message-type/{name}"),),
            undo=f"notify-payload error-message-type {name}",
        )
        for name in ("ue", "network-transient-minor", "network-transient-major", "network-permanent")
    ),
    Command("remote-secret-list", (Value("ikev2/remote-secret-list"),)),
    Command("whitelist", fixed={"ikev2/whitelist": ""}),
    Command("blacklist", fixed={"ikev2/blacklist": ""}),
)

_PAYLOAD = Mode(
    "payload",
    (
        Command("ipsec transform-set list", (Values("transform-set"),)),
        Command("lifetime", (Value("lifetime"),)),
        Command("lifetime kilo-bytes", (Value("lifetime-kilobytes"),)),  # recalled, as the next one
        Command("lifetime sequence-number", (Value("lifetime-sequence-number"),)),
        Command("rekey", (Flag("keepalive", "rekey-keepalive"),), switch="rekey"),
        Command("ignore-rekeying-requests", switch="ignore-rekeying-requests"),
        Command("maximum-child-sa", (Value("maximum-child-sa"),)),
        Command("mtu", (Value("mtu"),)),
        *(
            Command(
                f"{selector} start-address",
                (Value(f"{selector}/start-address"), Value(f"{selector}/end-address", "end-address")),
                undo=selector,
            )
            for selector in ("tsi", "tsr")
        ),
    ),
)

MAP_PAYLOADS = (
    Entry("payload", (Value("name"), Value("match", "match")), at="ikev2/payload", mode=_PAYLOAD, undo="payload"),
)
TEMPLATE_PAYLOADS = (
    Entry(
        "payload",
        (Value("name"), Fixed("match childsa"), Value("match", "match")),
        at="ikev2/payload",
        mode=_PAYLOAD,
    ),
)
