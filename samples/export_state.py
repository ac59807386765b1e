"""All tunnels of a server as a table: where, state, SPIs, applied DSCP, packets; ``--csv`` for a spreadsheet.

python samples/export_state.py --port 8300 --key admin-key
"""

from __future__ import annotations

import csv
import sys

from lxml import etree
from session import NS, arguments, connect

FILTER = """
<contexts xmlns="{ctx}"><context><name/>
  <interface><name/><crypto-map xmlns="{ips}"><name/><state/></crypto-map></interface></context></contexts>"""
COLUMNS = ("context", "interface", "crypto-map", "status", "spi-in", "spi-out", "dscp", "pending", "packets-out")


def rows(data: etree._Element) -> list[tuple[str, ...]]:
    found = []
    for context in data.iterfind(".//ctx:context", NS):
        for interface in context.iterfind("ctx:interface", NS):
            for binding in interface.iterfind("ips:crypto-map", NS):
                where = (text(context, "ctx:name"), text(interface, "ctx:name"), text(binding, "ips:name"))
                found += [(*where, *columns) for columns in tunnel(binding)]
    return found


def tunnel(binding: etree._Element) -> list[tuple[str, ...]]:
    """One row per child SA, or one for a tunnel that has none."""
    status, pending = text(binding, "ips:state/ips:status"), text(binding, "ips:state/ips:reapply-pending")
    sas = binding.findall("ips:state/ips:child-sa", NS)
    return [
        (status, hexadecimal(sa, "inbound-spi"), hexadecimal(sa, "outbound-spi"), hexadecimal(sa, "applied-dscp"),
         pending, text(sa, "ips:output-packets"))
        for sa in sas
    ] or [(status, "", "", "", pending, "")]  # fmt: skip


def text(element: etree._Element, path: str) -> str:
    return element.findtext(path, "", NS)


def hexadecimal(element: etree._Element, name: str) -> str:
    value = text(element, f"ips:{name}")
    return f"0x{int(value):02x}" if value else ""


def main() -> int:
    parser = arguments(__doc__)
    parser.add_argument("--csv", action="store_true")
    options = parser.parse_args()
    with connect(options) as session:
        table = [COLUMNS, *rows(session.get(filter=("subtree", FILTER.format(**NS))).data_ele)]
    if options.csv:
        csv.writer(sys.stdout).writerows(table)
        return 0
    widths = [max(len(row[column]) for row in table) for column in range(len(COLUMNS))]
    for row in table:
        print("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip())
    return 0


if __name__ == "__main__":
    sys.exit(main())
