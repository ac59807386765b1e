"""``python -m cryptomap_backend.table docs/backends.md``: the table of what each backend can do, from capabilities.

The columns are the backends as they are on Debian 12, whose kernel and strongSwan the wire tests run on; those tests
hold that the real ones say the same. Pure but for ``main``.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from cryptomap_backend.algorithms import DH_GROUPS, ENCRYPTION, INTEGRITY, PRF
from cryptomap_backend.capabilities import Capabilities, Feature
from cryptomap_backend.intent import Mode, TunnelKind
from cryptomap_backend.linux import able
from cryptomap_backend.linux.egress import Egress
from cryptomap_backend.linux.objects import Algorithms
from cryptomap_backend.linux.settings import Settings as LinuxSettings
from cryptomap_backend.simulator.settings import Settings as SimulatorSettings
from cryptomap_backend.strongswan import limits
from cryptomap_backend.strongswan.limits import Daemon

__all__ = ["BACKENDS", "LINUX", "STRONGSWAN", "USER_SPACE", "document", "main"]

BEGIN = "<!-- made by: python -m cryptomap_backend.table docs/backends.md -->"
END = "<!-- end of what is made -->"

LINUX = able.capabilities(
    Algorithms(
        encryption=frozenset(name for name, cipher in ENCRYPTION.items() if not cipher.aead),
        integrity=frozenset(INTEGRITY),
        ah_integrity=frozenset(INTEGRITY) - {"null"},
        modes=frozenset(Mode),
        families=frozenset({4, 6}),
    ),
    LinuxSettings(devices=(Egress("eth0.100", "ipsec-d", label=200),)),
    {},
)
"""A kernel 6.1 of Debian's, with a VLAN device and an MPLS label in the settings."""

_ALGORITHMS = {
    "encryption": ("AES_CBC", "DES_CBC", "3DES_CBC", "NULL"),
    "aead": ("AES_GCM_8", "AES_GCM_12", "AES_GCM_16"),
    "integrity": (
        *("HMAC_MD5_96", "HMAC_SHA1_96", "AES_XCBC_96"),
        *("HMAC_SHA2_256_128", "HMAC_SHA2_384_192", "HMAC_SHA2_512_256"),
    ),
    "prf": ("PRF_HMAC_MD5", "PRF_HMAC_SHA1", "PRF_AES128_XCBC"),
    "dh": ("MODP_768", "MODP_1024", "MODP_1536", "MODP_2048"),
}


def _charon(kernel_plugin: str) -> Daemon:
    algorithms = {kind: dict.fromkeys(names, "") for kind, names in _ALGORITHMS.items()}
    return Daemon("5.9.8", "6.1", frozenset({kernel_plugin, "revocation"}), algorithms)


STRONGSWAN = limits.capabilities(_charon("kernel-netlink"), marks=True)
"""strongSwan 5.9.8 with the kernel's ESP and a table ``marking`` and certificates in the settings."""

USER_SPACE = limits.capabilities(_charon("kernel-libipsec"), marks=False)
"""strongSwan 5.9.8 with ESP in user space, which nothing marks."""

BACKENDS: Mapping[str, Capabilities] = {
    "simulator": SimulatorSettings().capabilities(),
    "linux": LINUX,
    "strongswan": STRONGSWAN,
    "strongswan, ESP in user space": USER_SPACE,
}


@dataclass(frozen=True, slots=True)
class Row:
    """What a backend may be able to do. ``name`` is what its notes call it, ``field`` where capabilities have it."""

    section: str
    name: str
    field: str


def rows() -> Iterator[Row]:
    """Everything capabilities can say, in the order of the table."""
    everything = Capabilities("everything")
    sections: tuple[tuple[str, str, Iterable[object]], ...] = (
        ("map type", "kinds", TunnelKind),
        ("mode", "modes", Mode),
        ("IKE encryption", "ike_encryption", [name for name in ENCRYPTION if name in everything.ike_encryption]),
        ("IKE integrity", "ike_integrity", [name for name in INTEGRITY if name in everything.ike_integrity]),
        ("IKE PRF", "ike_prf", PRF),
        ("DH group", "dh_groups", DH_GROUPS),
        ("ESP encryption", "esp_encryption", ENCRYPTION),
        ("ESP integrity", "esp_integrity", INTEGRITY),
        ("AH integrity", "ah_integrity", [name for name in INTEGRITY if name in everything.ah_integrity]),
        ("manual keys", "manual_encryption", [name for name in ENCRYPTION if name in everything.manual_encryption]),
        ("feature", "features", Feature),
    )
    for section, field, names in sections:
        yield from (Row(section, str(name), field) for name in names)


class Footnotes:
    """Numbers the declared limits; equal ones of several backends have one number."""

    def __init__(self) -> None:
        self._numbers: dict[str, int] = {}

    def number(self, text: str) -> int:
        return self._numbers.setdefault(text, len(self._numbers) + 1)

    @property
    def lines(self) -> list[str]:
        return [f"{number}. {text[0].upper()}{text[1:]}." for text, number in self._numbers.items()]


def table(backends: Mapping[str, Capabilities] = BACKENDS) -> str:
    """The table as Markdown, and the declared limits that it refers to by number."""
    notes = Footnotes()
    head = ["", *backends]
    body = [[f"{row.section} `{row.name}`", *(_cell(row, able, notes) for able in backends.values())] for row in rows()]
    body.append(["DSCP of ESP", *(_dscp(able, notes) for able in backends.values())])
    known = {row.name for row in rows()} | {"dscp"}
    others = sorted({text for able in backends.values() for name, text in able.notes.items() if name not in known})
    lines = [_line(head), _line(["---"] * len(head)), *map(_line, body), "", "Declared limits:", "", *notes.lines]
    return "\n".join([*lines, "", *(f"- {text[0].upper()}{text[1:]}." for text in others)])


def document(text: str) -> str:
    """A document with the table between its two marks made anew. Raises ValueError if it has no such marks."""
    before, begin, rest = text.partition(f"{BEGIN}\n")
    _, end, after = rest.partition(END)
    if not begin or not end:
        raise ValueError(f"there are no lines {BEGIN!r} and {END!r}")
    return f"{before}{begin}\n{table()}\n\n{end}{after}"


def _cell(row: Row, able: Capabilities, notes: Footnotes) -> str:
    """A dash where a backend has nothing at all of a section: a row of map types or of features says why."""
    if not getattr(able, row.field):
        return "-"
    has = row.name in {str(item) for item in getattr(able, row.field)}
    missing = "warning" if row.name in able.tolerated else "no"
    return _noted("works" if has else missing, able.notes.get(row.name), notes)


def _dscp(able: Capabilities, notes: Footnotes) -> str:
    return _noted(able.dscp_policy.value, able.notes.get("dscp"), notes)


def _noted(word: str, note: str | None, notes: Footnotes) -> str:
    return f"{word} ({notes.number(note)})" if note else word


def _line(cells: Iterable[str]) -> str:
    return f"| {' | '.join(cells)} |"


def main(arguments: list[str]) -> int:
    """Make the table of a document anew; 2 for anything but one document that has the marks."""
    try:
        (name,) = arguments
        path = Path(name)
        path.write_text(document(path.read_text()))
    except (OSError, ValueError) as fault:
        print(f"usage: python -m cryptomap_backend.table docs/backends.md ({fault})", file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
