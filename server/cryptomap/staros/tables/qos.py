"""QoS: from DSCP to internal priority, from internal priority to layer 2 marking, and who is marked by which table."""

from __future__ import annotations

from cryptomap.staros.arguments import Value
from cryptomap.staros.forms import Hex
from cryptomap.staros.grammar import Mode
from cryptomap.staros.statements import Block, Command, Entry

__all__ = ["ASSOCIATE", "QOS"]

_DSCP = Hex(2)
_NIBBLE = Hex(1)

_L2_TABLE = Mode(
    "qos l2-mapping-table",
    (
        Entry(
            "internal-priority",
            (
                Value("cos", "cos", _NIBBLE),
                Value("color", "color", _NIBBLE),
                Value("dot1p-value", "802.1p-value", _NIBBLE, optional=True),
                Value("mpls-tc", "mpls-tc", _NIBBLE, optional=True),
            ),
            at="internal-priority",
        ),
    ),
)

QOS = (
    Entry(
        "qos ip-dscp-iphb-mapping",
        (Value("dscp", "dscp", _DSCP), Value("cos", "internal-priority cos", _NIBBLE)),
        at="cryptomap-qos:qos/ip-dscp-iphb-mapping",
    ),
    Entry(
        "qos l2-mapping-table name",
        (Value("name"),),
        at="cryptomap-qos:qos/l2-mapping-table",
        mode=_L2_TABLE,
    ),
    Block(
        "qos l2-mapping-table system-default",
        at="cryptomap-qos:qos/system-default-l2-mapping-table",
        mode=_L2_TABLE,
    ),
)

_TABLE = "cryptomap-qos:associate-l2-mapping-table"

ASSOCIATE = (
    Command("associate l2-mapping-table name", (Value(f"{_TABLE}/name"),), undo="associate l2-mapping-table"),
    Command(
        "associate l2-mapping-table system-default",
        fixed={f"{_TABLE}/system-default": ""},
        undo="associate l2-mapping-table",
    ),
)
"""In a context and in a VRF of it. Not associated and system-default are different."""
