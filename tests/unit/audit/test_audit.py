"""The record of who did what: its entries, what a crash or a full disk leaves, what an alteration gives away."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cryptomap.audit import AuditFault, AuditLimits, AuditLog, Deed, Outcome, entries, verify
from cryptomap.audit.entry import MAX_TEXT

COMMIT = Deed("commit", "commit", Outcome.OK, "alice", "192.0.2.1", 7, "1 created", 12, "ab" * 32)
DENIED = Deed("rpc", "edit-config", Outcome.DENIED, "bob", "192.0.2.2", 8, "candidate")
Open = Callable[..., AuditLog]


@pytest.fixture
def record(tmp_path: Path) -> Path:
    return tmp_path / "audit"


@pytest.fixture
def opened(record: Path) -> Iterator[Open]:
    logs: list[AuditLog] = []

    def close() -> None:
        while logs:
            logs.pop().close()

    def open_again(**limits: int) -> AuditLog:
        close()
        logs.append(AuditLog(record, AuditLimits(**limits), now=lambda: 1_000_000.5))
        return logs[-1]

    yield open_again
    close()


def only(record: Path) -> Path:
    [path] = record.glob("audit-*.log")
    return path


def test_what_stands_in_a_line(opened: Open, record: Path) -> None:
    opened().append(COMMIT)
    header, line = only(record).read_text().splitlines()
    assert json.loads(header) == {"first": 1, "follows": "0" * 64, "format": 1}
    fields = json.loads(line)
    assert len(fields.pop("chain")) == 64
    assert fields == {
        "number": 1,
        "time": "1970-01-12T13:46:40.500Z",
        "kind": "commit",
        "operation": "commit",
        "outcome": "ok",
        "user": "alice",
        "source": "192.0.2.1",
        "session": 7,
        "detail": "1 created",
        "commit": 12,
        "digest": "ab" * 32,
    }


def test_it_goes_on_after_a_restart(opened: Open, record: Path) -> None:
    opened().append(COMMIT)
    again = opened()
    assert again.last_commit == (12, "ab" * 32)
    again.append(DENIED)
    assert [(entry.number, entry.deed) for entry in entries(record)] == [(1, COMMIT), (2, DENIED)]
    assert verify(record).faults == []


def test_an_entry_is_there_before_append_returns_and_nobody_else_may_read_it(opened: Open, record: Path) -> None:
    log = opened()
    log.append(DENIED)
    assert b'"bob"' in only(record).read_bytes()
    assert record.stat().st_mode & 0o777 == 0o700
    assert only(record).stat().st_mode & 0o777 == 0o600


def test_a_file_that_is_long_enough_is_followed_by_another(opened: Open, record: Path) -> None:
    log = opened(max_size=1000, keep=0)
    for _ in range(20):
        log.append(DENIED)
    log.append(COMMIT)
    assert len(list(record.glob("*.log"))) > 3
    assert [entry.number for entry in entries(record)] == list(range(1, 22))
    assert verify(record).faults == []
    for _ in range(20):
        log.append(DENIED)
    assert opened(max_size=1000, keep=0).last_commit == (12, "ab" * 32)  # files ago


def test_the_oldest_files_go_and_the_rest_still_holds(opened: Open, record: Path) -> None:
    log = opened(max_size=1000, keep=2)
    for _ in range(30):
        log.append(DENIED)
    assert len(list(record.glob("*.log"))) == 2
    report = verify(record)
    assert report.faults == []
    assert 1 < report.first < report.last == 30


def test_a_text_of_a_stranger_is_cut_and_breaks_no_line(opened: Open, record: Path) -> None:
    opened().append(Deed("login", "netconf-ssh", Outcome.DENIED, 'x\n"}' * MAX_TEXT))
    [entry] = entries(record)
    assert len(entry.deed.user) == MAX_TEXT
    assert verify(record).faults == []


# ===== alterations =====


def rewrite(record: Path, change: Callable[[list[bytes]], None]) -> None:
    path = only(record)
    lines = path.read_bytes().splitlines(keepends=True)
    change(lines)
    path.write_bytes(b"".join(lines))


ALTERATIONS: dict[str, Callable[[list[bytes]], None]] = {
    "another user": lambda lines: lines.__setitem__(2, lines[2].replace(b"bob", b"eve")),
    "an entry less": lambda lines: lines.pop(2) and None,
    "an entry twice": lambda lines: lines.insert(2, lines[2]),
    "two exchanged": lambda lines: lines.__setitem__(slice(2, 4), [lines[3], lines[2]]),
    "the first ones gone": lambda lines: lines.__delitem__(slice(1, 3)),
    "another beginning": lambda lines: lines.__setitem__(0, lines[0].replace(b"000", b"111")),
    "no header": lambda lines: lines.pop(0) and None,
    "a chain made anew for one": lambda lines: lines.__setitem__(2, lines[2][:-10] + b'00000000"}\n'),
}


@pytest.mark.parametrize("change", ALTERATIONS.values(), ids=ALTERATIONS)
def test_an_alteration_is_noticed(opened: Open, record: Path, change: Callable[[list[bytes]], None]) -> None:
    log = opened()
    for deed in (COMMIT, DENIED, COMMIT, DENIED):
        log.append(deed)
    assert verify(record).faults == []
    rewrite(record, change)
    assert verify(record).faults


def test_a_cut_end_is_noticed_by_who_noted_the_last_chain(opened: Open, record: Path) -> None:
    log = opened()
    for deed in (COMMIT, DENIED, DENIED):
        log.append(deed)
    noted = verify(record)
    rewrite(record, lambda lines: lines.pop() and None)
    assert verify(record).faults == []
    assert verify(record, (noted.last, noted.chain)).faults == [f"there is no entry 3 with the chain {noted.chain}"]


def test_a_file_taken_out_of_the_middle_is_noticed(opened: Open, record: Path) -> None:
    log = opened(max_size=1000, keep=0)
    for _ in range(20):
        log.append(DENIED)
    sorted(record.glob("*.log"))[2].unlink()
    assert any("does not follow" in fault for fault in verify(record).faults)


@given(at=st.integers(0, 10_000), bit=st.integers(0, 7))
@settings(max_examples=60, deadline=None)
def test_any_changed_bit_is_noticed(tmp_path_factory: pytest.TempPathFactory, at: int, bit: int) -> None:
    record = tmp_path_factory.mktemp("audit") / "audit"
    log = AuditLog(record, now=lambda: 0.0)
    for deed in (COMMIT, DENIED, COMMIT):
        log.append(deed)
    log.close()
    data = bytearray(only(record).read_bytes())
    data[at % len(data)] ^= 1 << bit
    only(record).write_bytes(data)
    assert verify(record).faults


# ===== crashes and disks =====


@pytest.mark.parametrize("left", [1, 50, 200])
def test_half_an_entry_is_cut_off_and_said_so(opened: Open, record: Path, left: int) -> None:
    log = opened()
    log.append(COMMIT)
    whole = only(record).stat().st_size
    log.append(DENIED)
    log.close()
    os.truncate(only(record), whole + left)
    again = AuditLog(record)
    again.append(DENIED)
    again.close()
    deeds = [entry.deed for entry in entries(record)]
    assert deeds[0] == COMMIT
    assert deeds[1].detail == f"{left} bytes of an unfinished entry were cut off"
    assert deeds[2] == DENIED
    assert verify(record).faults == []


def test_a_damaged_file_is_kept_and_the_record_goes_on(opened: Open, record: Path) -> None:
    log = opened()
    for deed in (COMMIT, DENIED, DENIED):
        log.append(deed)
    log.close()
    rewrite(record, lambda lines: lines.__setitem__(2, b"garbage\n"))
    again = AuditLog(record)
    again.append(DENIED)
    again.close()
    [kept] = record.glob("*.damaged")
    assert b"garbage" in kept.read_bytes()
    assert [entry.deed.detail for entry in entries(record)] == [
        f"{kept.stem}.log is damaged after entry 1; it is kept as {kept.name}",
        "candidate",
    ]


def test_a_file_that_is_no_record_is_refused(record: Path) -> None:
    record.mkdir()
    (record / "audit-000000000001.log").write_bytes(b"something else\n")
    with pytest.raises(AuditFault, match="no header"):
        AuditLog(record)


def test_what_a_full_disk_has_lost_is_counted(
    opened: Open, record: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    log = opened()
    log.append(COMMIT)
    write = os.write
    with monkeypatch.context() as patch:
        patch.setattr(os, "write", lambda file, data: write(file, data[:20]))  # a write that is cut short
        for _ in range(3):
            log.append(DENIED)
    assert "edit-config of bob is not recorded" in caplog.text
    assert verify(record).faults == []
    log.append(COMMIT)
    deeds = [entry.deed for entry in entries(record)]
    assert [deed.detail for deed in deeds] == [
        "1 created",
        "3 entries before this one could not be written",
        "1 created",
    ]


def test_an_audit_directory_that_cannot_be_made_is_named(tmp_path: Path) -> None:
    (tmp_path / "audit").write_text("a file")
    with pytest.raises(AuditFault, match="audit"):
        AuditLog(tmp_path / "audit")
