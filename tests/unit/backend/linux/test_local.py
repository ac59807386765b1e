"""The verbs in this process, over a kernel in memory that speaks its language and may be full at any message."""

from __future__ import annotations

import errno
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace

import pytest

from cryptomap_backend.change import between
from cryptomap_backend.conformance import example_manual
from cryptomap_backend.contract import ApplyFailed, OutcomeUnknown
from cryptomap_backend.intent import Intent, bound
from cryptomap_backend.linux import local, xfrm
from cryptomap_backend.linux.backend import LinuxBackend
from cryptomap_backend.linux.local import LocalKernel
from cryptomap_backend.linux.netlink import Fault, Frame, Message
from cryptomap_backend.linux.nft import Program
from cryptomap_backend.linux.objects import Add, Algorithms, Operation, Sa
from cryptomap_backend.linux.operations import operations
from cryptomap_backend.linux.probe import probe
from cryptomap_backend.linux.settings import Settings
from cryptomap_backend.linux.translate import objects

SETTINGS = Settings()
FIRST = SETTINGS.reqids[0]
WINDOW = 64
NEW, DELETE = {0x10, 0x13}, {0x11, 0x14}


class KernelInMemory:
    """What the sockets of a kernel lead to. ``refuse`` says with which errno a request is refused, by its number;
    ``break_at`` is the request after which the socket overflows."""

    def __init__(self) -> None:
        self.objects: dict[bytes, bytes] = {}
        self.refuse: Callable[[int], int] = lambda number: 0
        self.break_at: int | None = None
        self.taken = 0
        self.sockets = 0

    def socket(self, protocol: int) -> Socket:
        self.sockets += 1
        return Socket(self)

    def take(self, item: Message) -> int:
        """0 or the errno."""
        number, self.taken = self.taken, self.taken + 1
        key, is_sa = _key(item), item.kind in (0x10, 0x11, 0x1A)
        refused = self.refuse(number)
        if refused or (item.kind in NEW and key in self.objects):
            return refused or errno.EEXIST
        if item.kind in DELETE:
            return 0 if self.objects.pop(key, None) else errno.ESRCH if is_sa else errno.ENOENT
        self.objects[key] = item.body
        return 0


class Socket:
    """Like :class:`cryptomap_backend.linux.netlink.Netlink`."""

    def __init__(self, kernel: KernelInMemory) -> None:
        self._kernel = kernel
        self.sent = 0

    def send(self, messages: Sequence[Message]) -> tuple[list[Fault], int]:
        for start in range(0, len(messages), WINDOW):
            window = messages[start : start + WINDOW]
            codes = [self._kernel.take(item) for item in window]
            self.sent += len(window)
            if self._kernel.break_at is not None and self._kernel.taken > self._kernel.break_at:
                raise OSError(errno.ENOBUFS, "No buffer space available")
            if any(codes):
                return [Fault(start + at, code, "") for at, code in enumerate(codes) if code], start + len(window)
        return [], len(messages)

    def ask(self, messages: Sequence[Message]) -> Iterator[Frame | Fault]:
        for at, item in enumerate(messages):
            body = self._kernel.objects.get(_key(item))
            yield Frame(0x10 if item.kind == 0x12 else 0x13, 0, at, body) if body else Fault(at, errno.ESRCH, "")

    def dump(self, item: Message) -> list[Frame]:
        kind, letter = (0x10, b"S") if item is xfrm.DUMP_SAS else (0x13, b"P")
        return [Frame(kind, 0, 1, body) for key, body in self._kernel.objects.items() if key[:1] == letter]

    def close(self) -> None:
        pass


def _key(item: Message) -> bytes:
    """What tells objects apart, from a whole object or from a bare key (without marks)."""
    body = item.body
    if item.kind in (0x10, 0x1A):
        return b"S" + body[56:77]
    if item.kind in (0x11, 0x12):
        return b"S" + body[:20] + body[22:23]
    return b"P" + body[:56] + (body[160:161] if item.kind in (0x13, 0x19) else body[60:61])


class Kernel(LocalKernel):
    """Without the programs of the system."""

    program: str | None = None

    def algorithms(self) -> Algorithms:
        return probe(lambda sa: True)

    def load_program(self, namespace: str, program: Program) -> None:
        self.program = program.digest

    def program_digest(self, namespace: str, table: str) -> str | None:
        return self.program


@pytest.fixture
def memory(monkeypatch: pytest.MonkeyPatch) -> KernelInMemory:
    made = KernelInMemory()
    monkeypatch.setattr(local, "Netlink", made.socket)
    return made


@pytest.fixture
def kernel(memory: KernelInMemory) -> LocalKernel:
    return Kernel(SETTINGS.reqids)


def additions(numbers: range) -> tuple[Operation, ...]:
    return operations(
        {}, {key: item for n in numbers for key, item in objects(example_manual(n), FIRST + n, SETTINGS).items()}
    )


def mixed() -> tuple[Operation, ...]:
    """From maps 1 to 3 to maps 2 (another DSCP), 3 (other keys) and 4."""
    old = {key: item for n in (1, 2, 3) for key, item in objects(example_manual(n), FIRST + n, SETTINGS).items()}
    wanted = bound(example_manual(2, dscp=0x12)), example_manual(3, integrity="sha2-256-128"), example_manual(4)
    new = {
        key: item
        for n, tunnel in zip((2, 3, 4), wanted, strict=True)
        for key, item in objects(tunnel, FIRST + n, SETTINGS).items()
    }
    return operations(old, new)


def at(message: int, code: int) -> Callable[[int], int]:
    return lambda number: code if number == message else 0


# ===== a kernel that is full =====


@pytest.mark.parametrize("code", [errno.ENOBUFS, errno.ENOMEM, errno.ENOSPC])
@pytest.mark.parametrize("message", [0, WINDOW - 1, WINDOW, 100, 149])
def test_a_kernel_that_is_full_holds_what_it_held(
    kernel: LocalKernel, memory: KernelInMemory, message: int, code: int
) -> None:
    todo = additions(range(1, 31))
    assert len(todo) == 150
    memory.refuse = at(message, code)
    with pytest.raises(ApplyFailed, match=r"refused to add the .*: the kernel has no room for more \("):
        kernel.transact(todo)
    assert memory.objects == {}
    memory.refuse = at(-1, 0)
    assert kernel.transact(todo) == 150
    assert len(memory.objects) == 150


@pytest.mark.parametrize("message", range(len(mixed())))
def test_a_refusal_at_any_message_restores_every_byte(
    kernel: LocalKernel, memory: KernelInMemory, message: int
) -> None:
    kernel.transact(additions(range(1, 4)))
    before, start = dict(memory.objects), memory.taken
    memory.refuse = at(start + message, errno.ENOMEM)
    with pytest.raises(ApplyFailed):
        kernel.transact(mixed())
    assert memory.objects == before


def test_a_kernel_that_refuses_the_undoing_too_leaves_a_doubt(kernel: LocalKernel, memory: KernelInMemory) -> None:
    memory.refuse = lambda number: errno.ENOMEM if number >= 100 else 0
    with pytest.raises(OutcomeUnknown, match=r"no room for more .*; and undoing what was done failed"):
        kernel.transact(additions(range(1, 31)))


@pytest.mark.parametrize("refused", [None, 70])
def test_a_socket_that_overflows_is_not_asked_again(
    kernel: LocalKernel, memory: KernelInMemory, refused: int | None
) -> None:
    """Also while a refusal is being undone. Late answers to it are never taken for answers to something else."""
    memory.refuse = at(refused or -1, errno.ENOMEM)
    memory.break_at = 130
    with pytest.raises(OutcomeUnknown, match=r"the kernel stopped answering: .*No buffer space"):
        kernel.transact(additions(range(1, 31)))
    memory.break_at = None
    kernel.sas("")
    assert memory.sockets == 2


def test_reconcile_ends_the_doubt(kernel: LocalKernel, memory: KernelInMemory) -> None:
    backend = LinuxBackend(SETTINGS, kernel, Kernel(SETTINGS.reqids))
    backend.reconcile(Intent())
    intent = Intent.of([example_manual(n) for n in range(1, 31)])
    plan = backend.prepare(between(Intent(), intent))
    memory.break_at = 70
    with pytest.raises(OutcomeUnknown):
        backend.apply(plan)
    assert not backend.health().in_sync
    memory.break_at = None
    backend.reconcile(Intent())
    assert memory.objects == {}
    backend.apply(backend.prepare(plan.change))
    assert backend.reconcile(intent).is_empty
    assert len(memory.objects) == 150


# ===== what is somebody else's =====


def test_an_object_of_somebody_else_is_neither_replaced_nor_removed(
    kernel: LocalKernel, memory: KernelInMemory
) -> None:
    todo = additions(range(1, 3))
    ours = todo[1]
    assert isinstance(ours, Add)
    assert isinstance(ours.item, Sa)
    theirs = xfrm.request(Add("", replace(ours.item, reqid=7)))
    memory.take(theirs)
    before = dict(memory.objects)
    with pytest.raises(
        ApplyFailed, match=r"refused to add the ESP SA .*: somebody else has one of that kind \(File exists\)"
    ):
        kernel.transact(todo)
    assert memory.objects == before
    with pytest.raises(ApplyFailed, match="belongs to somebody else"):
        kernel.transact(operations({("", ours.item.key): ours.item}, {}))
    assert memory.objects == before
    assert (kernel.sas(""), kernel.policies("")) == ((), ())


def test_a_policy_that_names_no_sa_is_nobody_s(kernel: LocalKernel, memory: KernelInMemory) -> None:
    """One that blocks. Looking for anything but a number in the range of request ids would take for ever."""
    (policy,) = [item for item in additions(range(1, 2))[2:3] if isinstance(item, Add)]
    whole = xfrm.request(policy)
    memory.take(replace(whole, body=whole.body[:168]))
    (frame,) = Socket(memory).dump(xfrm.DUMP_POLICIES)
    assert xfrm.reqid_of(frame) == 0
    assert kernel.policies("") == ()
    with pytest.raises(ApplyFailed, match="belongs to somebody else"):
        kernel.transact(operations({("", policy.item.key): policy.item}, {}))
