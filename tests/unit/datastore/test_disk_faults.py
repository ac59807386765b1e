"""The journal on a disk that fails in SQLite's own calls: at fsync, full, read-only; and one whose pages changed."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from cryptomap.datastore.datastores import Datastores
from cryptomap.datastore.statedir import StateFault
from cryptomap.datastore.transaction import OutOfSync
from cryptomap.errors import OperationFailed
from support.disk import FULL, IOERR_FSYNC, IOERR_WRITE, READONLY, Disk, failing_disk
from support.stores import ALICE, Clock, Fake, Open, commit_mtu, interface, mtu, put


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Disk]:
    with failing_disk(tmp_path) as disk:
        yield disk


@pytest.fixture
def on_disk(disk: Disk, open_datastores: Open) -> Datastores:
    backend = Fake()
    datastores = open_datastores(participants=[backend])
    commit_mtu(datastores, 1500)
    return datastores


def test_an_fsync_that_fails_is_told_and_what_it_left_never_comes_back(
    disk: Disk, on_disk: Datastores, open_datastores: Open
) -> None:
    """The kernel may have dropped the pages, or may write them yet: nobody knows, so nothing is promised."""
    put(on_disk, interface("eth0", "<mtu>9000</mtu>"))
    disk.sync = IOERR_FSYNC
    with pytest.raises(OutOfSync, match="neither store the commit nor take it back"):
        on_disk.commit(ALICE)
    assert mtu(on_disk.running.root) == "1500"
    with pytest.raises(OperationFailed, match="disk I/O error"):
        on_disk.commit(ALICE)
    disk.sync = 0
    on_disk.discard(ALICE)
    commit_mtu(on_disk, 1400)
    again = open_datastores()
    assert mtu(again.running.root) == "1400"
    assert again.head == 2


@pytest.mark.parametrize(
    ("code", "said"),
    [(FULL, "full"), (IOERR_WRITE, "disk I/O error"), (READONLY, "readonly")],
    ids=["full", "write error", "read-only"],
)
def test_a_disk_that_takes_nothing_refuses_the_commit_and_serves_on(
    disk: Disk, on_disk: Datastores, open_datastores: Open, code: int, said: str
) -> None:
    put(on_disk, interface("eth0", "<mtu>9000</mtu>"))
    disk.write = code
    with pytest.raises((OperationFailed, OutOfSync), match=said):
        on_disk.commit(ALICE)
    assert mtu(on_disk.running.root) == "1500"
    assert [record.id for record in on_disk.history()] == [1]
    disk.write = 0
    on_disk.commit(ALICE)
    assert on_disk.head == 2
    assert mtu(open_datastores().running.root) == "9000"


def test_a_commit_before_the_fault_is_not_lost_by_it(disk: Disk, on_disk: Datastores, open_datastores: Open) -> None:
    disk.sync = disk.write = IOERR_WRITE
    put(on_disk, interface("eth0", "<mtu>9000</mtu>"))
    with pytest.raises((OperationFailed, OutOfSync)):
        on_disk.commit(ALICE)
    disk.sync = disk.write = 0
    assert mtu(open_datastores().running.root) == "1500"  # as after a crash at this moment


# ---- pages that changed --------------------------------------------------------------------------------------------


def flip(path: Path, at: int) -> None:
    data = bytearray(path.read_bytes())
    data[at] ^= 0xFF
    path.write_bytes(data)


def test_a_damaged_commit_is_a_refused_start_that_says_what_to_do(open_datastores: Open, tmp_path: Path) -> None:
    datastores = open_datastores(background=lambda work: None)
    for value in (100, 101, 102):
        commit_mtu(datastores, value)
    datastores.close()
    journal = tmp_path / "state" / "journal.sqlite"
    flip(journal, journal.read_bytes().rindex(b"<mtu") + 1)
    with pytest.raises(StateFault, match=r"commit \d is damaged or missing"):
        open_datastores()


def test_a_header_page_that_is_gone_is_a_refused_start(open_datastores: Open, tmp_path: Path) -> None:
    commit_mtu(open_datastores(), 100)
    journal = tmp_path / "state" / "journal.sqlite"
    open_datastores().close()
    journal.write_bytes(b"\0" * 4096 + journal.read_bytes()[4096:])
    with pytest.raises(StateFault, match=r"journal\.sqlite"):
        open_datastores()


# ---- a clock that jumps --------------------------------------------------------------------------------------------


def test_the_history_is_in_the_order_of_commits_whatever_the_clock_says(open_datastores: Open, clock: Clock) -> None:
    datastores = open_datastores()
    for step, value in ((0, 100), (-1_000_000, 101), (5_000_000, 102)):
        clock.wall += step
        commit_mtu(datastores, value)
    again = open_datastores()
    assert [record.id for record in again.history()] == [3, 2, 1]
    times = [record.time for record in again.history()]
    assert times != sorted(times, reverse=True)
    assert mtu(again.running.root) == "102"
