"""The story of "IPSec in CUPS", told by a server and ncclient: each step prints what was asked and what came back.

    make demo

A crypto map protects an application's packets; ESP is marked with a DSCP; a commit is validated, programmed into the
backend (here the simulator) and visible as state; a changed DSCP waits for a re-apply; one packet is traced to its
802.1p and MPLS marking.
"""

from __future__ import annotations

import tempfile
import textwrap
from pathlib import Path

from local_server import LocalServer, local_server
from lxml import etree
from ncclient import manager
from ncclient.operations import RPCError

SAMPLES = Path(__file__).parent
NS = {
    "ctx": "urn:cryptomap:yang:cryptomap-context",
    "ips": "urn:cryptomap:yang:cryptomap-ipsec",
    "trace": "urn:cryptomap:yang:cryptomap-trace",
}
INTERFACE = "saegw-l1l-loopback-ipv4"

STATE_FILTER = f"""
<contexts xmlns="{NS["ctx"]}"><context><name>ipsec-d</name>
  <crypto-map xmlns="{NS["ips"]}"><name>foo0</name><state/></crypto-map>
  <interface><name>{INTERFACE}</name><crypto-map xmlns="{NS["ips"]}"><name/><state/></crypto-map></interface>
</context></contexts>"""

NEW_DSCP = f"""
<config xmlns="urn:ietf:params:xml:ns:netconf:base:1.0"><contexts xmlns="{NS["ctx"]}"><context><name>ipsec-d</name>
  <ipsec-transform-set xmlns="{NS["ips"]}"><name>A-foo</name><dscp>46</dscp></ipsec-transform-set>
</context></contexts></config>"""

OLD_DSCP = NEW_DSCP.replace("<dscp>46</dscp>", "<dscp>40</dscp>")

REAPPLY = f"""
<action xmlns="urn:ietf:params:xml:ns:yang:1"><contexts xmlns="{NS["ctx"]}"><context><name>ipsec-d</name>
  <interface><name>{INTERFACE}</name>
    <crypto-map xmlns="{NS["ips"]}"><name>{{name}}</name><reapply/></crypto-map>
  </interface></context></contexts></action>"""

TRACE = f"""
<action xmlns="urn:ietf:params:xml:ns:yang:1"><contexts xmlns="{NS["ctx"]}"><context><name>ipsec-d</name>
  <trace-packet xmlns="{NS["trace"]}">
    <source-address>209.165.200.225</source-address><destination-address>209.165.200.245</destination-address>
    <protocol>6</protocol><source-port>40000</source-port><destination-port>6002</destination-port><tos>0</tos>
  </trace-packet></context></contexts></action>"""


class Story:
    """Prints numbered steps."""

    def __init__(self, session: manager.Manager) -> None:
        self.session = session
        self.step = 0

    def ask(self, what: str) -> None:
        self.step += 1
        print(f"\n{self.step}. {what}")

    def answer(self, text: str) -> None:
        print(textwrap.indent(text.rstrip(), "     "))

    def commit(self) -> None:
        self.session.commit()
        self.answer("<ok/>")

    def state(self) -> etree._Element:
        return self.session.get(filter=("subtree", STATE_FILTER)).data_ele

    def bindings(self) -> list[etree._Element]:
        return self.state().findall(".//ctx:interface/ips:crypto-map", NS)


def text(element: etree._Element, path: str) -> str:
    found = element.findtext(path, namespaces=NS)
    return "-" if found is None else found


def sas(story: Story) -> None:
    data = story.state()
    story.answer(f"crypto map foo0: {text(data, './/ctx:context/ips:crypto-map/ips:state/ips:status')}")
    for binding in story.bindings():
        state = binding.find("ips:state", NS)
        assert state is not None
        pending = "  reapply-pending" if text(state, "ips:reapply-pending") == "true" else ""
        story.answer(f"{text(binding, 'ips:name')}: tunnel {text(state, 'ips:status')}{pending}")
        for sa in state.findall("ips:child-sa", NS):
            story.answer(
                f"  SA in 0x{int(text(sa, 'ips:inbound-spi')):08x} out 0x{int(text(sa, 'ips:outbound-spi')):08x}"
                f"  {text(sa, 'ips:protocol')} {text(sa, 'ips:encryption').rpartition(':')[2]}"
                f"  applied DSCP 0x{int(text(sa, 'ips:applied-dscp')):02x}"
            )


def refused(story: Story, document: str) -> None:
    story.session.edit_config(target="candidate", config=document)
    try:
        story.session.commit()
    except RPCError as error:
        story.answer(f"error-tag {error.tag}, error-app-tag {error.app_tag}\nat {error.path}\n{error.message}")
    else:
        raise SystemExit("the Day-1 violation was accepted")


def trace(story: Story) -> None:
    reply = etree.fromstring(story.session.dispatch(etree.fromstring(TRACE)).xml.encode())
    for step in reply.findall(".//trace:step", NS):
        story.answer(f"{text(step, 'trace:name'):<18} {text(step, 'trace:result')}")
    marks = {name: text(reply, f".//trace:{name}") for name in ("outer-dscp", "cos", "dot1p-value", "mpls-tc")}
    story.answer(
        f"outer DSCP 0x{int(marks['outer-dscp']):02x}, cos {marks['cos']}, "
        f"802.1p 0x{int(marks['dot1p-value']):x}, MPLS TC {marks['mpls-tc']}"
    )


def tell(server: LocalServer, story: Story) -> None:
    seed = (SAMPLES / "seed.xml").read_text()
    violation = (SAMPLES / "day1-violation.xml").read_text()
    story.ask("edit-config: the seed's sample (contexts, ACLs, transform set A-foo with DSCP 0x28, foo0, foo1, QoS)")
    story.session.edit_config(target="candidate", config=seed.partition("?>")[2])
    story.answer("<ok/>")
    story.ask("validate the candidate")
    story.session.validate("candidate")
    story.answer("<ok/>")
    story.ask("commit with a Day-1 violation: application rcm of ipsec-s protected by a marked map of ipsec-d")
    refused(story, violation.partition("?>")[2])
    story.ask("take that application out again, and commit")
    remove = violation.partition("?>")[2].replace(
        "<application ", '<application xmlns:nc="urn:ietf:params:xml:ns:netconf:base:1.0" nc:operation="delete" '
    )
    story.session.edit_config(target="candidate", config=remove)
    story.commit()
    story.ask("get: the operational state of the maps and their SAs")
    sas(story)
    story.ask("commit DSCP 46 (0x2e) in A-foo while the tunnels are up, and look again")
    story.session.edit_config(target="candidate", config=NEW_DSCP)
    story.commit()
    sas(story)
    story.ask("action reapply on both bindings, and look again")
    for name in ("foo0", "foo1"):
        story.session.dispatch(etree.fromstring(REAPPLY.format(name=name)))
    sas(story)
    story.ask("commit DSCP 40 (0x28) again and re-apply it")
    story.session.edit_config(target="candidate", config=OLD_DSCP)
    story.session.commit()
    for name in ("foo0", "foo1"):
        story.session.dispatch(etree.fromstring(REAPPLY.format(name=name)))
    sas(story)
    story.ask("action trace-packet: tcp 209.165.200.225 -> 209.165.200.245:6002 with application DSCP 0")
    trace(story)


def main() -> None:
    with (
        tempfile.TemporaryDirectory(prefix="cryptomap-demo-") as directory,
        local_server(Path(directory), with_web=True) as server,
    ):
        print(
            f"cryptomapd serves NETCONF over SSH at {server.host}:{server.port}, backend simulator\n"
            f"and, as long as the story lasts, RESTCONF and a console at {server.url}/console/ "
            f"(user admin, password {server.password})"
        )
        with manager.connect(
            host=server.host, port=server.port, username=server.user, key_filename=str(server.key),
            hostkey_verify=False, allow_agent=False, look_for_keys=False,
        ) as session:  # fmt: skip
            tell(server, Story(session))
    print(
        "\nThat was the story. A server that stays:          make serve"
        "\nTalk to it from another terminal:                 see samples/netconf-console2.md"
    )


if __name__ == "__main__":
    main()
