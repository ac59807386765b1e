"""The verbs of :class:`~.kernel.Kernel` done in this process, which needs CAP_NET_ADMIN (and CAP_SYS_ADMIN to enter
other namespaces).

XFRM has no transactions. Before anything is changed, the objects that go or change are read as the kernel shows them:
that is the journal, it proves that they are ours, and it restores them to the byte, sequence numbers included.
"""

from __future__ import annotations

import errno
import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import closing
from itertools import groupby
from typing import TypeVar

from cryptomap_backend.contract import ApplyFailed, OutcomeUnknown, Unavailable
from cryptomap_backend.linux import nftables, programs, xfrm
from cryptomap_backend.linux.egress import Egress, Marked, Priorities
from cryptomap_backend.linux.namespace import empty_namespace, identity, inside
from cryptomap_backend.linux.netlink import Fault, Frame, Message, Netlink
from cryptomap_backend.linux.nft import Program
from cryptomap_backend.linux.objects import (
    Add,
    Algorithms,
    Operation,
    Policy,
    PolicyKey,
    Remove,
    SaKey,
    SeenSa,
)
from cryptomap_backend.linux.probe import probe

__all__ = ["LocalKernel"]

Seen = TypeVar("Seen")

FULL = "the kernel has no room for more"
MEANINGS = {
    errno.EEXIST: "somebody else has one of that kind",
    **dict.fromkeys((errno.ENOBUFS, errno.ENOMEM, errno.ENOSPC), FULL),
}
"""What errors mean to an operator, beyond the kernel's own words."""


class LocalKernel:
    """``reqids`` is the range of request ids that are ours, both ends included."""

    def __init__(self, reqids: tuple[int, int]) -> None:
        self._reqids = range(reqids[0], reqids[1] + 1)
        self._links: dict[str, tuple[tuple[int, int], dict[int, Netlink]]] = {}

    def versions(self) -> Mapping[str, str]:
        return {"kernel": os.uname().release, "nftables": programs.nft_version()}

    # ===== IPsec =====

    def algorithms(self) -> Algorithms:
        with empty_namespace(), closing(Netlink(xfrm.PROTOCOL)) as link:
            return probe(lambda item: not link.send([xfrm.request(Add("", item))])[0])

    def transact(self, operations: Sequence[Operation]) -> int:
        sent = self._sent()
        before = self._journal(operations)
        self._refuse_foreign(operations)
        try:
            self._do_or_undo(operations, before)
        except OSError as fault:
            self.close()  # acknowledgements that are still on their way must not be taken for those of others
            raise OutcomeUnknown(f"the kernel stopped answering: {fault}") from fault
        return self._sent() - sent

    def sas(self, namespace: str) -> tuple[SeenSa, ...]:
        return self._seen(self._dump(namespace, xfrm.DUMP_SAS), xfrm.read_sa)

    def find_sas(self, namespace: str, keys: Sequence[SaKey]) -> tuple[SeenSa, ...]:
        answers = self._ask(namespace, [xfrm.get(key) for key in keys])
        return self._seen((answer for answer in answers if isinstance(answer, Frame)), xfrm.read_sa)

    def policies(self, namespace: str) -> tuple[Policy, ...]:
        return self._seen(self._dump(namespace, xfrm.DUMP_POLICIES), xfrm.read_policy)

    # ===== marking =====

    def load_program(self, namespace: str, program: Program) -> None:
        programs.load(namespace, program)

    def program_digest(self, namespace: str, table: str) -> str | None:
        try:
            (answer,) = self._link(namespace, nftables.PROTOCOL).ask([nftables.table_question(table)])
        except OSError as fault:
            self._forget(namespace)
            raise Unavailable(f"nftables does not answer: {fault}") from fault
        if isinstance(answer, Frame):
            return nftables.digest_in(answer)
        if answer.errno == errno.ENOENT:
            return None
        raise Unavailable(f"nftables does not show table {table}: {answer}")

    def remove_program(self, namespace: str, table: str) -> None:
        programs.remove(namespace, table)

    def set_egress(self, egress: Egress, priorities: Priorities, marked: Marked) -> None:
        programs.set_egress(egress, priorities, marked)

    def egress(self, egress: Egress, priorities: Priorities) -> Marked:
        return programs.see_egress(egress, priorities)

    def interrupt(self) -> None:
        """Nothing to do: every call to the kernel and every program has a time-out of its own."""

    def close(self) -> None:
        for namespace in tuple(self._links):
            self._forget(namespace)

    # ===== one transaction =====

    def _sent(self) -> int:
        return sum(link.sent for _, links in self._links.values() for link in links.values())

    def _journal(self, operations: Sequence[Operation]) -> Mapping[tuple[str, SaKey | PolicyKey], Frame]:
        """The objects that go or change, as the kernel shows them now. Raises ApplyFailed if one is not there or not
        ours."""
        touched = [(item.namespace, _key(item)) for item in operations if not isinstance(item, Add)]
        found = {}
        for namespace, group in groupby(touched, key=lambda place: place[0]):
            places = list(group)
            for place, answer in zip(places, self._ask(namespace, [xfrm.get(key) for _, key in places]), strict=True):
                if isinstance(answer, Fault):
                    raise ApplyFailed(f"{_text(place[1])} is not in the kernel: {answer}")
                if xfrm.reqid_of(answer) not in self._reqids:
                    raise ApplyFailed(f"{_text(place[1])} belongs to somebody else")
                found[place] = answer
        return found

    def _refuse_foreign(self, operations: Sequence[Operation]) -> None:
        for operation in operations:
            if not isinstance(operation, Remove) and operation.item.reqid not in self._reqids:
                raise ApplyFailed(
                    f"request id {operation.item.reqid} of {_text(operation.item.key)} is not one of ours"
                )

    def _do_or_undo(
        self, operations: Sequence[Operation], before: Mapping[tuple[str, SaKey | PolicyKey], Frame]
    ) -> None:
        undo: list[tuple[str, Message]] = []
        try:
            for (namespace, _), group in groupby(operations, key=_phase):
                self._do(namespace, list(group), before, undo)
        except ApplyFailed as fault:
            self._undo(undo, fault)
            raise

    def _do(
        self,
        namespace: str,
        operations: Sequence[Operation],
        before: Mapping[tuple[str, SaKey | PolicyKey], Frame],
        undo: list[tuple[str, Message]],
    ) -> None:
        """Adds to ``undo`` what took effect, also when it raises ApplyFailed."""
        faults, sent = self._link(namespace).send([xfrm.request(operation) for operation in operations])
        failed = {fault.index for fault in faults}
        for index, operation in enumerate(operations[:sent]):
            if index not in failed:
                undo.append((namespace, xfrm.inverse(operation, before.get((namespace, _key(operation))))))
        if faults:
            operation = operations[faults[0].index]
            raise ApplyFailed(
                f"the kernel refused to {_verb(operation)} {_text(_key(operation))}: {_reason(faults[0])}"
            )

    def _undo(self, undo: Sequence[tuple[str, Message]], cause: ApplyFailed) -> None:
        for namespace, group in groupby(reversed(undo), key=lambda item: item[0]):
            faults, _ = self._link(namespace).send([message for _, message in group])
            if faults:
                raise OutcomeUnknown(f"{cause}; and undoing what was done failed: {faults[0]}") from cause

    # ===== asking =====

    def _dump(self, namespace: str, message: Message) -> list[Frame]:
        try:
            return self._link(namespace).dump(message)
        except OSError as fault:
            self._forget(namespace)
            raise Unavailable(f"the kernel does not list its IPsec objects: {fault}") from fault

    def _ask(self, namespace: str, messages: Sequence[Message]) -> list[Frame | Fault]:
        try:
            return list(self._link(namespace).ask(messages))
        except OSError as fault:
            self._forget(namespace)
            raise Unavailable(f"the kernel does not show its IPsec objects: {fault}") from fault

    def _seen(self, frames: Iterable[Frame], read: Callable[[Frame], Seen | None]) -> tuple[Seen, ...]:
        ours = (read(frame) for frame in frames if xfrm.reqid_of(frame) in self._reqids)
        return tuple([item for item in ours if item is not None])

    def _link(self, namespace: str, protocol: int = xfrm.PROTOCOL) -> Netlink:
        """The socket in that namespace, a new one if the namespace is a new one of the same name."""
        now, links = identity(namespace), self._links.get(namespace)
        if links is None or links[0] != now:
            self._forget(namespace)
            links = self._links[namespace] = now, {}
        if protocol not in links[1]:
            with inside(namespace):
                links[1][protocol] = Netlink(protocol)
        return links[1][protocol]

    def _forget(self, namespace: str) -> None:
        for link in self._links.pop(namespace, ((0, 0), {}))[1].values():
            link.close()


def _phase(operation: Operation) -> tuple[str, bool]:
    """What is sent together: nothing is removed before all that was to be made before it is known to be there."""
    return operation.namespace, isinstance(operation, Remove)


def _key(operation: Operation) -> SaKey | PolicyKey:
    return operation.key if isinstance(operation, Remove) else operation.item.key


def _verb(operation: Operation) -> str:
    return type(operation).__name__.lower()


def _reason(fault: Fault) -> str:
    meaning = MEANINGS.get(fault.errno)
    return f"{meaning} ({fault})" if meaning else str(fault)


def _text(key: SaKey | PolicyKey) -> str:
    """An object in an operator's words."""
    if isinstance(key, SaKey):
        return f"the {key.protocol.upper()} SA to {key.destination} with SPI {key.spi:#x}"
    return f"the policy {key.direction} from {key.source} to {key.destination}"
