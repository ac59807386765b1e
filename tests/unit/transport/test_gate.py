"""Caps: what is counted, when it is refused, and that leaving makes room."""

from __future__ import annotations

from cryptomap.transport.backoff import BackOff
from cryptomap.transport.gate import Gate, Limits


class Clock:
    """Seconds that pass when a test says so."""

    def __init__(self) -> None:
        self.seconds = 1000.0

    def __call__(self) -> float:
        return self.seconds


def test_connections_that_have_not_logged_in():
    gate = Gate(Limits(unauthenticated=2))
    assert [gate.enter_connection(address) for address in ("192.0.2.1", "192.0.2.2")] == [None, None]
    assert gate.enter_connection("192.0.2.3") == "2 connections are logging in already; try again later"
    gate.leave_connection("192.0.2.1")
    assert gate.enter_connection("192.0.2.3") is None


def test_connections_of_one_address_that_have_not_logged_in():
    gate = Gate(Limits(unauthenticated_per_address=2))
    assert [gate.enter_connection("192.0.2.1") for _ in range(2)] == [None, None]
    assert "2 connections from 192.0.2.1 are logging in" in (gate.enter_connection("192.0.2.1") or "")
    assert gate.enter_connection("192.0.2.2") is None
    gate.leave_connection("192.0.2.1")
    assert gate.enter_connection("192.0.2.1") is None


def test_all_addresses_of_an_ipv6_host_are_one_source():
    gate = Gate(Limits(unauthenticated_per_address=1))
    assert gate.enter_connection("2001:db8:1:2::1") is None
    assert "from 2001:db8:1:2::/64" in (gate.enter_connection("2001:db8:1:2:ffff::9") or "")
    assert gate.enter_connection("2001:db8:1:3::1") is None
    assert gate.enter_connection("::ffff:192.0.2.1") is None
    assert "from 192.0.2.1" in (gate.enter_connection("192.0.2.1") or "")


def test_who_fails_to_log_in_waits_longer_each_time():
    clock = Clock()
    gate = Gate(Limits(back_off=1, back_off_limit=5), clock)
    waits = []
    for _ in range(7):
        gate.login_failed("192.0.2.1")
        refusal = gate.enter_connection("192.0.2.1")
        if refusal is None:
            gate.leave_connection("192.0.2.1")
            continue
        waits.append(refusal)
        clock.seconds += float(refusal.split()[-2]) - 0.001
        assert gate.enter_connection("192.0.2.1")
        clock.seconds += 0.002
        assert gate.enter_connection("192.0.2.1") is None
        gate.leave_connection("192.0.2.1")
    assert waits == [f"too many refused logins from 192.0.2.1; try again in {wait} s" for wait in (1, 2, 4, 5)]


def test_another_address_does_not_wait_and_a_login_ends_the_waiting():
    clock = Clock()
    gate = Gate(Limits(), clock)
    for _ in range(10):
        gate.login_failed("192.0.2.1")
    assert gate.enter_connection("192.0.2.1")
    assert gate.enter_connection("192.0.2.2") is None
    gate.login_succeeded("192.0.2.1")
    assert gate.enter_connection("192.0.2.1") is None


def test_failures_are_forgotten_and_can_be_without_consequence():
    clock = Clock()
    gate = Gate(Limits(back_off_limit=60), clock)
    for _ in range(9):
        gate.login_failed("192.0.2.1")
    clock.seconds += 61
    gate.login_failed("192.0.2.1")
    assert gate.enter_connection("192.0.2.1") is None
    careless = Gate(Limits(back_off=0), clock)
    for _ in range(100):
        careless.login_failed("192.0.2.1")
    assert careless.enter_connection("192.0.2.1") is None


def test_the_memory_of_failures_is_bounded():
    back_off = BackOff(1, 300, Clock())
    for number in range(12_000):
        back_off.failed(str(number))
    assert len(back_off) == 10_000


def test_sessions_in_total_of_a_user_and_from_an_address():
    gate = Gate(Limits(sessions=4, sessions_per_user=2, sessions_per_address=3))
    assert gate.enter_session("fred", "a") is None
    assert gate.enter_session("fred", "a") is None
    assert "2 sessions of user fred" in (gate.enter_session("fred", "b") or "")
    assert gate.enter_session("ann", "a") is None
    assert "3 sessions from a" in (gate.enter_session("ann", "a") or "")
    assert gate.enter_session("ann", "b") is None
    assert "4 sessions in total" in (gate.enter_session("bob", "c") or "")
    gate.leave_session("fred", "a")
    assert gate.enter_session("fred", "b") is None


def test_no_limit_and_no_address():
    gate = Gate(Limits(sessions=0, sessions_per_user=0, sessions_per_address=1))
    assert [gate.enter_session("fred", "") for _ in range(3)] == [None] * 3
    assert gate.enter_session("fred", "a") is None
    assert "1 sessions from a" in (gate.enter_session("fred", "a") or "")
