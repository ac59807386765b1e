"""Add one IKEv2 crypto map with its ACL and transform set to a context, bind it to an interface, and commit.

    python samples/commit_map.py --port 8300 --key admin-key ipsec-d foo2 \\
        --interface saegw-l1l-loopback-ipv4 --peer 209.165.201.3 --local 209.165.200.225 --remote 209.165.200.246 \\
        --dscp 0x28

The pre-shared key is read from the environment variable PSK, so that it is in no command line. All is done under a lock
of the candidate: either the whole tunnel is committed or nothing is, and the reason is printed.
"""

from __future__ import annotations

import os
import sys
from xml.sax.saxutils import escape

from ncclient.operations import RPCError
from session import NS, arguments, connect

TEMPLATE = """
<config xmlns="urn:ietf:params:xml:ns:netconf:base:1.0"><contexts xmlns="{ctx}"><context><name>{context}</name>
  <access-list xmlns="{acl}"><name>{name}</name><rule><name>rule-1</name><protocol>tcp</protocol>
    <source><prefix>{local}/32</prefix></source><destination><prefix>{remote}/32</prefix></destination></rule></access-list>
  <ikev2-ikesa-transform-set xmlns="{ips}"><name>{name}</name><group>14</group></ikev2-ikesa-transform-set>
  <ipsec-transform-set xmlns="{ips}"><name>{name}</name>{dscp}</ipsec-transform-set>
  <crypto-map xmlns="{ips}"><name>{name}</name><type>ikev2-ipv4</type><match-address>{name}</match-address>
    <peer>{peer}</peer>
    <ikev2>
      <authentication><local><pre-shared-key>{psk}</pre-shared-key></local>
        <remote><pre-shared-key>{psk}</pre-shared-key></remote></authentication>
      <ikev2-ikesa><transform-set>{name}</transform-set><rekey>true</rekey></ikev2-ikesa>
      <payload><name>sa0</name><match>ipv4</match><transform-set>{name}</transform-set><rekey>true</rekey></payload>
    </ikev2></crypto-map>
  <interface><name>{interface}</name>
    <crypto-map xmlns="{ips}"><name>{name}</name><initiate>on-bind</initiate></crypto-map></interface>
</context></contexts></config>"""


def main() -> int:
    parser = arguments(__doc__)
    parser.add_argument("context")
    parser.add_argument("name", help="of the crypto map, its ACL and its transform sets")
    for option in ("interface", "peer", "local", "remote"):
        parser.add_argument(f"--{option}", required=True)
    parser.add_argument("--dscp", type=lambda text: int(text, 0), help="0..63, or 0x00..0x3f")
    options = parser.parse_args()
    values = {key: escape(str(value)) for key, value in vars(options).items()}
    values["dscp"] = "" if options.dscp is None else f"<dscp>{options.dscp}</dscp>"
    config = TEMPLATE.format(**values, **NS, psk=escape(os.environ["PSK"]))
    with connect(options) as session, session.locked("candidate"):
        try:
            session.edit_config(target="candidate", config=config)
            session.commit()
        except RPCError as error:
            session.discard_changes()
            print(f"refused: {error.message} ({error.tag}, {error.path})", file=sys.stderr)
            return 1
    print(f"crypto map {options.name} of context {options.context} is committed")
    return 0


if __name__ == "__main__":
    sys.exit(main())
