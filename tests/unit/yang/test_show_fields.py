"""Every field that the seed prints for a crypto map and for QoS is a node, or is made of nodes."""

from __future__ import annotations

import pytest

from cryptomap.schema.nodes import Schema

MAP = "/cryptomap-context:contexts/context/cryptomap-ipsec:crypto-map"
STATE, IKEV2 = f"{MAP}/state", f"{MAP}/ikev2"
IKE, CHILD, PAYLOAD = f"{STATE}/ike-transform", f"{STATE}/payload/transform", f"{IKEV2}/payload"

SHOW_CRYPTO_MAP = {
    "Map Name": f"{MAP}/name",
    "IPSec Manager": f"{STATE}/manager",
    "Map status": f"{STATE}/status",
    "ACLs": f"{MAP}/match-address",
    "Rules": f"{STATE}/rule",
    "Crypto Map Type": f"{MAP}/type",
    "IKE SA Transform i/n": f"{IKE}/position",
    "IKE: Encryption Cipher": f"{IKE}/encryption",
    "IKE: Encryption Accel": f"{IKE}/encryption-accelerator",
    "Pseudo Random Function": f"{IKE}/prf",
    "IKE: Hashed Message Authentication Code": f"{IKE}/hmac",
    "IKE: HMAC Accel": f"{IKE}/hmac-accelerator",
    "IKE: Diffie-Hellman Group": f"{IKE}/group",
    "IKE SA DSCP Value": f"{STATE}/ike-dscp",
    "IKE SA IDi [Peer]": f"{STATE}/peer-identity-check",
    "IKE SA DH Exponentials reuse groups": f"{IKEV2}/ikev2-ikesa/dh-exponential-reuse-group",
    "Half Open Timer": f"{IKEV2}/ikev2-ikesa/ddos/half-open-timer",
    "Decrypt Fail Count": f"{IKEV2}/ikev2-ikesa/ddos/decrypt-fail-count",
    "Max IKEv2 requests Allowed": f"{IKEV2}/ikev2-ikesa/ddos/max-ikev2-requests",
    "Message Queue Size": f"{IKEV2}/ikev2-ikesa/ddos/message-queue-size",
    "Rekey Rate": f"{IKEV2}/ikev2-ikesa/ddos/rekey-rate",
    "Max Certificate Size": f"{IKEV2}/ikev2-ikesa/ddos/max-certificate-size",
    "Device Identity": f"{IKEV2}/notify-payload/device-id",
    "UE": f"{IKEV2}/notify-payload/error-message-type/ue",
    "Network Transient Minor": f"{IKEV2}/notify-payload/error-message-type/network-transient-minor",
    "Network Transient Major": f"{IKEV2}/notify-payload/error-message-type/network-transient-major",
    "Network Permanent": f"{IKEV2}/notify-payload/error-message-type/network-permanent",
    "Blacklist": f"{IKEV2}/blacklist",
    "Whitelist": f"{IKEV2}/whitelist",
    "OCSP Status": f"{IKEV2}/ocsp/enabled",
    "OCSP Nonce Status": f"{IKEV2}/ocsp/nonce",
    "OCSP Responder Address": f"{IKEV2}/ocsp/responder-address",
    "OCSP HTTP version": f"{STATE}/authentication/ocsp-http-version",
    "Remote-secret-list": f"{IKEV2}/remote-secret-list",
    "Authentication Local": f"{STATE}/authentication/local-method",
    "Authentication Local, Size": f"{STATE}/authentication/local-key-size",
    "Authentication Remote": f"{STATE}/authentication/remote-method",
    "Authentication Remote, Size": f"{STATE}/authentication/remote-key-size",
    "Self-Certificate Validation": f"{STATE}/authentication/self-certificate-validation",
    "Certificate Server Timeout": f"{STATE}/authentication/certificate-server-timeout",
    "Minimum Certificate Key Size Validation": f"{STATE}/authentication/minimum-certificate-key-size-validation",
    "Max Dhost Connections": f"{STATE}/authentication/max-dhost-connections",
    "IPSec SA Payload i/n": f"{STATE}/payload/position",
    "Name": f"{STATE}/payload/name",
    "Payload Maximum Child SA": f"{PAYLOAD}/maximum-child-sa",
    "Payload Ignore Ikesa Rekey": f"{PAYLOAD}/ignore-rekeying-requests",
    "Seconds": f"{PAYLOAD}/lifetime",
    "Sequence Number": f"{PAYLOAD}/lifetime-sequence-number",
    "Payload TSI Start Address": f"{PAYLOAD}/tsi/start-address",
    "Payload TSI End Address": f"{PAYLOAD}/tsi/end-address",
    "IPSec SA Transform i/n": f"{CHILD}/position",
    "Protocol": f"{CHILD}/protocol",
    "Encryption Cipher": f"{CHILD}/encryption",
    "Encryption Accel": f"{CHILD}/encryption-accelerator",
    "Hashed Message Authentication Code": f"{CHILD}/hmac",
    "HMAC Accel": f"{CHILD}/hmac-accelerator",
    "Diffie-Hellman Group": f"{CHILD}/group",
    "ESN": f"{CHILD}/esn",
    "Dscp": f"{CHILD}/dscp",
    "Dont Fragment": f"{MAP}/control-dont-fragment",
    "IPv4 Payload fragment type": f"{STATE}/payload/ipv4-fragment-type",
    "MTU": f"{PAYLOAD}/mtu",
    "NATT": f"{IKEV2}/natt",
    "IKEv2 Fragmentation": f"{IKEV2}/ikev2-ikesa/fragmentation/enabled",
    "IKEv2 MTU Size IPv4": f"{IKEV2}/ikev2-ikesa/fragmentation/ipv4-mtu",
    "IKEv2 MTU Size IPv6": f"{IKEV2}/ikev2-ikesa/fragmentation/ipv6-mtu",
    "CERT Enc Type URL Allowed": f"{IKEV2}/allow-cert-enc-cert-hash-url",
    "Custom FQDN Allowed": f"{IKEV2}/allow-custom-fqdn-idr",
    "DNS Handling": f"{STATE}/dns-handling",
    "interface using this crypto-map": f"{STATE}/interface/name",
    "Local Gateway": f"{STATE}/interface/local-gateway",
    "Remote Gateway": f"{STATE}/remote-gateway",
}

SHOW_QOS = {
    "DSCP": "/cryptomap-qos:qos/state/ip-dscp-iphb-mapping/dscp",
    "Internal Qos": "/cryptomap-qos:qos/state/ip-dscp-iphb-mapping/cos",
    "Table": "/cryptomap-qos:qos/l2-mapping-table/name",
    "Class-of-service": "/cryptomap-qos:qos/l2-mapping-table/state/internal-priority/cos",
    "Color": "/cryptomap-qos:qos/l2-mapping-table/state/internal-priority/color",
    "802.1p": "/cryptomap-qos:qos/l2-mapping-table/state/internal-priority/dot1p-value",
    "MPLS": "/cryptomap-qos:qos/l2-mapping-table/state/internal-priority/mpls-tc",
}

FIELDS = [*SHOW_CRYPTO_MAP.items(), *SHOW_QOS.items()]


@pytest.mark.parametrize("path", [path for _, path in FIELDS], ids=[field for field, _ in FIELDS])
def test_the_model_has_it(schema: Schema, path: str) -> None:
    assert schema.find(path).name == path.rpartition("/")[2].rpartition(":")[2]
