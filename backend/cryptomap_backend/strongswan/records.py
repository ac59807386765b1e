"""SAs as VICI reports them (``list-sa``, ``ike-updown``, ``child-updown`` ...), as frozen records. Pure.

VICI gives times relative to the report, in whole seconds. A record keeps the times of the first report of an SA, so
that the same SA always shows the same times.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from ipaddress import ip_address
from typing import Any

from cryptomap_backend.intent import Address, EspProposal, Ike, IkeProposal, Mode
from cryptomap_backend.state import ChildSaState, Counters, IkeSaState, Role
from cryptomap_backend.strongswan.names import ChildName
from cryptomap_backend.strongswan.proposals import same_algorithms, vici_group, vici_name

__all__ = ["ChildRecord", "IkeRecord", "children_of", "negotiated_set"]

LIVE_IKE = frozenset({"ESTABLISHED", "REKEYING"})
LIVE_CHILD = frozenset({"INSTALLED", "REKEYING", "RETRYING"})

Report = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class IkeRecord:
    """One IKE SA; ``uid`` is charon's number for it."""

    uid: int
    state: str
    role: Role
    initiator_spi: int
    responder_spi: int
    local: Address
    remote: Address
    encryption: str
    integrity: str
    prf: str
    dh_group: int
    established: float
    next_rekey: float | None
    nat_local: bool
    nat_remote: bool

    @property
    def live(self) -> bool:
        return self.state in LIVE_IKE

    @classmethod
    def of(cls, report: Report, now: float) -> IkeRecord:
        return cls(
            uid=int(report["uniqueid"]),
            state=report["state"],
            role=Role.INITIATOR if report.get("initiator") == "yes" else Role.RESPONDER,
            initiator_spi=int(report["initiator-spi"], 16),
            responder_spi=int(report["responder-spi"], 16),
            local=ip_address(report["local-host"]),
            remote=ip_address(report["remote-host"]),
            encryption=vici_name("encr", report),
            integrity=vici_name("integ", report),
            prf=vici_name("prf", report),
            dh_group=vici_group(report) or 0,
            established=now - int(report.get("established", 0)),
            next_rekey=_due(report, now, "rekey-time", "reauth-time"),
            nat_local=report.get("nat-local") == "yes",
            nat_remote=report.get("nat-remote") == "yes",
        )

    def same_sa(self, other: IkeRecord) -> bool:
        """Of one that is not established yet the times say nothing, so it is not the same."""
        mine, theirs = (self.initiator_spi, self.responder_spi), (other.initiator_spi, other.responder_spi)
        return mine == theirs and self.live and other.live

    def state_of(self, ike: Ike) -> IkeSaState:
        """As the contract shows it; the transform set is the first whose algorithms these are."""
        return IkeSaState(
            initiator_spi=self.initiator_spi,
            responder_spi=self.responder_spi,
            role=self.role,
            local=self.local,
            remote=self.remote,
            transform_set=next((one.name for one in ike.proposals if self._is_by(one)), ""),
            encryption=self.encryption,
            integrity=self.integrity,
            prf=self.prf,
            dh_group=self.dh_group,
            established=self.established,
            next_rekey=self.next_rekey,
            nat_local=self.nat_local,
            nat_remote=self.nat_remote,
        )

    def _is_by(self, proposal: IkeProposal) -> bool:
        return (self.encryption, self.integrity, self.prf, self.dh_group) == (
            proposal.encryption,
            proposal.integrity,
            proposal.prf,
            proposal.dh_group,
        )


@dataclass(frozen=True, slots=True)
class ChildRecord:
    """One pair of SAs; ``name`` tells by which of our child configurations it was negotiated."""

    uid: int
    ike: int
    name: ChildName
    state: str
    spi_in: int
    spi_out: int
    protocol: str
    mode: Mode
    encryption: str
    integrity: str
    dh_group: int | None
    esn: bool
    established: float
    next_rekey: float | None
    counters: Counters

    @property
    def live(self) -> bool:
        return self.state in LIVE_CHILD

    @classmethod
    def of(cls, report: Report, ike: int, now: float) -> ChildRecord | None:
        """``None`` for a child that has no SPIs yet or is not by our configuration."""
        name = ChildName.of(report.get("name", ""))
        if name is None or "spi-in" not in report or "spi-out" not in report:
            return None
        return cls(
            uid=int(report["uniqueid"]),
            ike=ike,
            name=name,
            state=report["state"],
            spi_in=int(report["spi-in"], 16),
            spi_out=int(report["spi-out"], 16),
            protocol=report.get("protocol", "ESP").lower(),
            mode=Mode.TRANSPORT if report.get("mode") == "TRANSPORT" else Mode.TUNNEL,
            encryption=vici_name("encr", report),
            integrity=vici_name("integ", report),
            dh_group=vici_group(report),
            esn=report.get("esn") == "1",
            established=now - int(report.get("install-time", 0)),
            next_rekey=_due(report, now, "rekey-time"),
            counters=_counters(report),
        )

    def same_sa(self, other: ChildRecord) -> bool:
        return (self.spi_in, self.spi_out) == (other.spi_in, other.spi_out)

    def state_of(self, proposals: tuple[EspProposal, ...]) -> ChildSaState:
        used = negotiated_set(self, proposals)
        return ChildSaState(
            name=self.name.payload,
            spi_in=self.spi_in,
            spi_out=self.spi_out,
            protocol=self.protocol,
            mode=self.mode,
            transform_set=used.name if used else "",
            encryption=self.encryption,
            integrity=self.integrity,
            dh_group=self.dh_group,
            applied_dscp=self.name.dscp,
            established=self.established,
            counters=self.counters,
            next_rekey=self.next_rekey,
            esn=self.esn,
        )


def negotiated_set(record: ChildRecord, proposals: tuple[EspProposal, ...]) -> EspProposal | None:
    """The transform set an SA was made by: the first with its algorithms, ``None`` if the payload lists none now."""
    found = (one for one in proposals if same_algorithms(one, record.encryption, record.integrity, record.protocol))
    return next(found, None)


def children_of(report: Report, now: float) -> Iterator[ChildRecord]:
    """The child SAs in a report of an IKE SA."""
    for child in report.get("child-sas", {}).values():
        record = ChildRecord.of(child, int(report["uniqueid"]), now)
        if record is not None:
            yield record


def _due(report: Report, now: float, *names: str) -> float | None:
    times = [int(report[name]) for name in names if name in report]
    return now + min(times) if times else None


def _counters(report: Report) -> Counters:
    return Counters(
        packets_in=int(report.get("packets-in", 0)),
        bytes_in=int(report.get("bytes-in", 0)),
        packets_out=int(report.get("packets-out", 0)),
        bytes_out=int(report.get("bytes-out", 0)),
    )
