"""Caps: what is counted, when it is refused, and that leaving makes room."""

from __future__ import annotations

from cryptomap.transport.gate import Gate, Limits


def test_connections_that_have_not_logged_in():
    gate = Gate(Limits(unauthenticated=2))
    assert [gate.enter_connection() for _ in range(2)] == [None, None]
    assert "2 connections are logging in" in (gate.enter_connection() or "")
    gate.leave_connection()
    assert gate.enter_connection() is None


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
