"""Rules of access control as XML, for tests that say them in a line each."""

from __future__ import annotations

from support.lab import BASE, Client, Lab

__all__ = ["NACM", "nacm", "rule", "set_rules"]

NACM = "urn:ietf:params:xml:ns:yang:ietf-netconf-acm"


def rule(name: str, action: str, **leafs: str) -> str:
    """A rule; leafs by their name with underscores, such as ``access_operations="read"``."""
    inner = "".join(f"<{leaf.replace('_', '-')}>{text}</{leaf.replace('_', '-')}>" for leaf, text in leafs.items())
    return f"<rule><name>{name}</name>{inner}<action>{action}</action></rule>"


def nacm(*rules: str, more: str = "", groups: str = "", users: str = "alice", of: str = "ops") -> str:
    """A whole /nacm: alice is in group ops, which has these rules. ``more``: leafs of /nacm; ``groups``: more groups;
    ``of``: the group of the rule-list."""
    members = "".join(f"<user-name>{user}</user-name>" for user in users.split())
    listed = f"<rule-list><name>list</name><group>{of}</group>{''.join(rules)}</rule-list>" if rules else ""
    return (
        f'<nacm xmlns="{NACM}" xmlns:d="urn:doors">{more}<groups><group><name>ops</name>{members}</group>{groups}'
        f"</groups>{listed}</nacm>"
    )


async def set_rules(lab: Lab, content: str, doors: str = "") -> Client:
    """Commit a /nacm (and what is in ``doors``) as root; root's client."""
    root = await lab.connect("root")
    data = f'<doors xmlns="urn:doors">{doors}</doors>' if doors else ""
    rules = content.replace("<nacm ", '<nacm nc:operation="replace" ', 1)
    edit = f'<edit-config><target><candidate/></target><config xmlns:nc="{BASE}">{rules}{data}</config></edit-config>'
    assert await root.rpc(edit) == "<ok/>"
    assert await root.rpc("<commit/>") == "<ok/>"
    return root
