"""The scenarios of ``scenarios.toml``: their configuration for either side, and the rows that must be seen."""

from __future__ import annotations

import tomllib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from ipaddress import ip_address
from pathlib import Path
from typing import Any

__all__ = ["OURS", "SCENARIOS", "THEIRS", "Expected", "Kind", "Map", "Scenario", "Side", "Step"]

FILE: Mapping[str, Any] = tomllib.loads((Path(__file__).parent / "scenarios.toml").read_text())
XML: Mapping[str, str] = FILE["xml"]
FIRST_SPI = 0x1000


class Kind(StrEnum):
    """Of which type the maps of a scenario are."""

    MANUAL = "manual"
    IKEV2 = "ikev2"


@dataclass(frozen=True, slots=True)
class Side:
    """One end of the wire: its context, its number in pairs of addresses, and when its maps are negotiated."""

    context: str
    number: int
    initiate: str


OURS = Side("ipsec-d", 0, "on-bind")
THEIRS = Side("peer", 1, "on-traffic")


@dataclass(frozen=True, slots=True)
class Map:
    """A crypto map; ``spi`` is that of packets from our side to the other, the next one is for those back."""

    name: str
    transform_set: str
    place: str
    port: int
    spi: int

    @property
    def inner(self) -> tuple[str, str]:
        """The addresses of the packets it protects, ours first."""
        ours, theirs = (prefix.partition("/")[0] for prefix in FILE["places"][self.place]["inner"])
        return ours, theirs

    def xml(self, side: Side, kind: Kind) -> str:
        place, mine, other = FILE["places"][self.place], side.number, 1 - side.number
        family = ip_address(place["outer"][0]).version
        port = XML["port"].format(port=self.port)
        spis = (self.spi, self.spi + 1)
        body = XML[kind].format(
            name=self.name, set=self.transform_set, family=family, side=mine, other=other,
            spi_out=spis[mine], spi_in=spis[other],
        )  # fmt: skip
        return XML["map"].format(
            name=self.name, interface=place["interface"], family=family, initiate=side.initiate,
            local=place["outer"][mine], remote=place["outer"][other],
            source=place["inner"][mine], destination=place["inner"][other],
            source_port=port if mine else "", destination_port="" if mine else port,
            type="manual" if kind is Kind.MANUAL else f"ikev2-ipv{family}", body=body,
        )  # fmt: skip


@dataclass(frozen=True, slots=True)
class Expected:
    """One packet. ``dot1p`` and ``tc`` are ``None`` where the scenario does not say. ``without`` is what another packet
    is seen instead where a backend lacks that capability."""

    map: str
    tos: int
    outer: int
    dot1p: int | None = None
    tc: int | None = None
    without: Mapping[str, Any] | None = None

    def seen_with(self, lacking: Iterable[str]) -> dict[str, int]:
        """What a backend that lacks these must show."""
        shown = {"outer": self.outer, "dot1p": self.dot1p, "tc": self.tc}
        if self.without and self.without["capability"] in lacking:
            shown |= {name: value for name, value in self.without.items() if name != "capability"}
        return {name: value for name, value in shown.items() if value is not None}


@dataclass(frozen=True, slots=True)
class Step:
    """What is done (a commit of that content of the context, or a re-apply), and what holds then."""

    rows: tuple[Expected, ...]
    commit: str = ""
    reapply: str = ""
    pending: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Scenario:
    """``refused`` is the error-app-tag of a commit that must fail."""

    name: str
    maps: tuple[Map, ...]
    steps: tuple[Step, ...]
    refused: str | None
    content: str
    qos: str

    def xml(self, side: Side, kind: Kind) -> str:
        """The whole configuration of one side."""
        maps = "".join(item.xml(side, kind) for item in self.maps)
        return in_context(side, self.content + maps) + self.qos

    @classmethod
    def of(cls, table: Mapping[str, Any]) -> Scenario:
        maps = [
            Map(item["name"], item["set"], item["place"], item["port"], FIRST_SPI + 2 * number)
            for number, item in enumerate(table["maps"])
        ]
        first = Step(_rows(table))
        later = [
            Step(_rows(step), step.get("commit", ""), step.get("reapply", ""), tuple(step["pending"]))
            for step in table.get("then", ())
        ]
        refused = table.get("refused")
        return cls(table["name"], tuple(maps), (first, *later), refused, table["content"], table.get("qos", ""))


def in_context(side: Side, content: str) -> str:
    """Content of the context of one side, as a document."""
    return XML["contexts"].format(context=side.context, content=content)


def _rows(table: Mapping[str, Any]) -> tuple[Expected, ...]:
    return tuple(Expected(**row) for row in table.get("rows", ()))


SCENARIOS = tuple(Scenario.of(table) for table in FILE["scenarios"])
