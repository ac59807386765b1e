"""Counters of tunnels over rekeys and restarts, on either side."""

from __future__ import annotations

import tempfile
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cryptomap.ipsec.totals import Totals
from cryptomap_backend.conformance import example_tunnel
from cryptomap_backend.intent import Mode
from cryptomap_backend.state import ChildSaState, Counters, TunnelState, TunnelStatus

TUNNEL = example_tunnel().id


def sa(spi: int, packets: int) -> ChildSaState:
    return ChildSaState(
        "p", spi, spi, "esp", Mode.TUNNEL, "A", "aes-cbc-128", "sha1-96", None, None, 0.0, Counters(packets_in=packets)
    )


def state(gone: int, *sas: ChildSaState) -> TunnelState:
    """A tunnel whose backend remembers so many packets of SAs that are gone."""
    counters = sum((one.counters for one in sas), Counters(packets_in=gone))
    return TunnelState(TUNNEL, TunnelStatus.UP, children=sas, counters=counters)


def packets(totals: Totals, now: TunnelState) -> int:
    return totals.of(now)[0].packets_in


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "counters.sqlite"


def test_a_tunnel_never_seen_before_is_as_the_backend_says() -> None:
    assert Totals().of(state(2, sa(1, 3))) == (Counters(packets_in=5), 0)


def test_a_restarted_server_counts_what_a_rekey_before_has_ended(path: Path) -> None:
    totals = Totals(path)
    totals.note(state(0, sa(1, 0)))
    totals.note(state(7, sa(2, 1)), rekeys=1)
    assert totals.of(state(7, sa(2, 5))) == (Counters(packets_in=12), 1)
    totals.close()
    again = Totals(path)  # the backend has begun anew as well: it knows of the SA there is only
    assert again.of(state(0, sa(2, 6))) == (Counters(packets_in=13), 1)
    assert packets(again, state(6, sa(3, 1))) == 14
    again.close()


def test_a_backend_that_outlives_the_server_is_not_counted_twice(path: Path) -> None:
    totals = Totals(path)
    totals.note(state(7, sa(2, 1)))
    totals.close()
    again = Totals(path)
    assert packets(again, state(7, sa(2, 9))) == 16
    again.close()


def test_what_went_while_the_server_was_away_stays_counted(path: Path) -> None:
    totals = Totals(path)
    totals.note(state(7, sa(2, 1)))
    totals.close()
    again = Totals(path)
    assert packets(again, state(0, sa(3, 2))) == 10
    again.close()


def test_an_sa_that_is_found_late_counts_once(path: Path) -> None:
    totals = Totals(path)
    totals.note(state(7, sa(2, 4)))
    totals.close()
    again = Totals(path)
    assert packets(again, state(0)) == 11
    assert packets(again, state(0, sa(2, 5))) == 12
    again.close()


def test_a_tunnel_that_was_unbound_begins_anew(path: Path) -> None:
    totals = Totals(path)
    totals.note(state(7, sa(2, 1)), rekeys=3)
    totals.forget([TUNNEL])
    assert totals.of(state(0, sa(3, 2))) == (Counters(packets_in=2), 0)
    totals.close()
    again = Totals(path)
    assert packets(again, state(0, sa(4, 1))) == 1
    again.close()


def test_a_damaged_file_is_set_aside(path: Path, caplog: pytest.LogCaptureFixture) -> None:
    path.write_bytes(b"no database" * 100)
    totals = Totals(path)
    assert "counters of tunnels begin anew" in caplog.text
    assert path.with_name("counters.sqlite.damaged").exists()
    totals.close()
    totals.note(state(1, sa(1, 1)))  # an event that comes after the end


def test_a_disk_that_takes_nothing_stops_neither_the_counting_nor_who_counts(
    path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    totals = Totals(path)
    totals.note(state(0, sa(1, 1)))
    totals._db.execute("PRAGMA query_only = ON")
    totals.note(state(0, sa(1, 5)))
    totals.forget([])
    totals.forget([TUNNEL])
    assert caplog.text.count("not written down: attempt to write a readonly database") == 2
    totals._db.execute("PRAGMA query_only = OFF")
    totals.note(state(0, sa(1, 7)))
    totals.close()
    assert packets(Totals(path), state(0, sa(1, 7))) == 7


def test_a_good_file_on_a_disk_that_fails_is_not_taken_for_damaged(
    path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    totals = Totals(path)
    totals.note(state(0, sa(1, 3)))
    totals.close()
    path.rename(path.with_name("away"))
    path.mkdir()  # unable to open database file
    assert packets(Totals(path), state(0, sa(1, 1))) == 1
    assert "will be lost with this server" in caplog.text
    path.rmdir()
    path.with_name("away").rename(path)
    assert packets(Totals(path), state(0, sa(1, 3))) == 3


@settings(max_examples=40, deadline=None)
@given(st.lists(st.tuples(st.sampled_from(["packets", "rekey", "restart"]), st.integers(0, 9)), max_size=12))
def test_no_sequence_of_rekeys_and_restarts_turns_a_counter_back(steps: list[tuple[str, int]]) -> None:
    """Every packet is counted once. A restart of the server loses what its backend remembers of old SAs."""
    with tempfile.TemporaryDirectory() as directory:
        path = Path(directory) / "counters.sqlite"
        totals = Totals(path)
        carried = gone = spi = counted = 0
        totals.note(state(0, sa(0, 0)))
        for step, number in steps:
            carried, counted = carried + number, counted + number
            if step == "rekey":
                gone, counted, spi = gone + counted, 0, spi + 1
                totals.note(state(gone, sa(spi, 0)), rekeys=1)
            elif step == "restart":
                totals.close()
                totals, gone = Totals(path), 0
            assert packets(totals, state(gone, sa(spi, counted))) == carried
        totals.close()
