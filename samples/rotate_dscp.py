"""Change the DSCP of a transform set and re-apply every crypto map that waits for it.

    python samples/rotate_dscp.py --port 8300 --key admin-key ipsec-d A-foo 0x2e

A committed DSCP does not touch the SAs that are up; the maps that use it become reapply-pending, on each interface.
"""

from __future__ import annotations

import sys
from xml.sax.saxutils import escape

from lxml import etree
from session import NS, arguments, connect

EDIT = """
<config xmlns="urn:ietf:params:xml:ns:netconf:base:1.0"><contexts xmlns="{ctx}"><context><name>{context}</name>
  <ipsec-transform-set xmlns="{ips}"><name>{transform_set}</name><dscp>{dscp}</dscp></ipsec-transform-set>
</context></contexts></config>"""
BINDINGS = """
<contexts xmlns="{ctx}"><context><name>{context}</name>
  <interface><name/><crypto-map xmlns="{ips}"><name/><state><reapply-pending/></state></crypto-map></interface>
</context></contexts>"""
REAPPLY = """
<action xmlns="urn:ietf:params:xml:ns:yang:1"><contexts xmlns="{ctx}"><context><name>{context}</name>
  <interface><name>{interface}</name><crypto-map xmlns="{ips}"><name>{map}</name><reapply/></crypto-map></interface>
</context></contexts></action>"""


def main() -> int:
    parser = arguments(__doc__)
    parser.add_argument("context")
    parser.add_argument("transform_set")
    parser.add_argument("dscp", type=lambda text: int(text, 0), help="0..63, or 0x00..0x3f")
    options = parser.parse_args()
    names = {key: escape(str(value)) for key, value in vars(options).items()}
    with connect(options) as session:
        with session.locked("candidate"):
            session.edit_config(target="candidate", config=EDIT.format(**names, **NS))
            session.commit()
        print(f"transform set {options.transform_set}: DSCP 0x{options.dscp:02x} is committed")
        data = session.get(filter=("subtree", BINDINGS.format(**names, **NS))).data_ele
        for interface in data.iterfind(".//ctx:interface", NS):
            for binding in interface.iterfind("ips:crypto-map[ips:state]", NS):
                if binding.findtext("ips:state/ips:reapply-pending", namespaces=NS) != "true":
                    continue
                at = {"interface": interface.findtext("ctx:name", "", NS), "map": binding.findtext("ips:name", "", NS)}
                action = REAPPLY.format(**names, **{key: escape(value) for key, value in at.items()}, **NS)
                reply = etree.fromstring(session.dispatch(etree.fromstring(action)).xml.encode())
                result = reply.findtext(".//ips:result", namespaces=NS)
                print(f"crypto map {at['map']} on {at['interface']}: {result}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
