"""The failure matrix of the two-phase transaction: who is called, in which order, and what the answer is."""

from __future__ import annotations

import pytest

from cryptomap.data.validation import empty_snapshot
from cryptomap.datastore.transaction import OutcomeUnknown, OutOfSync, Transition, check, rehearse, transact
from cryptomap.errors import InvalidValue, OperationFailed, ResourceDenied, RpcError, RpcErrors
from cryptomap.schema.nodes import Schema
from support.stores import ALICE, Fake

Participants = tuple[Fake, Fake, Fake]


@pytest.fixture
def diary() -> list[str]:
    return []


@pytest.fixture
def three(diary: list[str]) -> Participants:
    """Two participants and, last, the journal."""
    return Fake("first", diary), Fake("second", diary), Fake("journal", diary)


@pytest.fixture
def transition(schema: Schema) -> Transition:
    nothing = empty_snapshot(schema)
    return Transition(nothing, nothing, (), ALICE)


def run(transition: Transition, three: Participants, diary: list[str]) -> Exception | None:
    first, second, journal = three
    try:
        transact(transition, [first, second], journal, lambda step: diary.append(f"({step})"))
    except Exception as fault:
        return fault
    return None


def called(diary: list[str]) -> list[str]:
    """The diary without the steps that were told."""
    return [entry for entry in diary if not entry.startswith("(")]


def test_all_prepare_then_all_apply_and_the_journal_is_last(
    transition: Transition, three: Participants, diary: list[str]
) -> None:
    assert run(transition, three, diary) is None
    assert diary == [
        "first prepare",
        "(prepared first)",
        "second prepare",
        "(prepared second)",
        "journal prepare",
        "(prepared journal)",
        "first apply",
        "(applied first)",
        "second apply",
        "(applied second)",
        "journal apply",
        "(applied journal)",
    ]


PREPARE_ALL = ["first prepare", "second prepare", "journal prepare"]

MATRIX = {
    "prepare_of_the_first_fails": ("first", "prepare", ["first prepare"]),
    "prepare_of_the_second_fails": ("second", "prepare", ["first prepare", "second prepare", "first abort"]),
    "prepare_of_the_journal_fails": ("journal", "prepare", [*PREPARE_ALL, "second abort", "first abort"]),
    "apply_of_the_first_fails": ("first", "apply", [*PREPARE_ALL, "first apply", "journal abort", "second abort"]),
    "apply_of_the_second_fails": (
        "second",
        "apply",
        [*PREPARE_ALL, "first apply", "second apply", "journal abort", "first revert"],
    ),
    "apply_of_the_journal_fails": (
        "journal",
        "apply",
        [*PREPARE_ALL, "first apply", "second apply", "journal apply", "second revert", "first revert"],
    ),
}


@pytest.mark.parametrize(("culprit", "phase", "calls"), MATRIX.values(), ids=MATRIX)
def test_the_one_that_failed_is_not_called_again_and_the_others_are_undone_in_reverse(
    transition: Transition, three: Participants, diary: list[str], culprit: str, phase: str, calls: list[str]
) -> None:
    fault = ResourceDenied("no more tunnels")
    next(fake for fake in three if fake.name == culprit).faults[phase] = fault
    assert run(transition, three, diary) is fault
    assert called(diary) == calls


def test_a_revert_that_fails_is_rollback_failed_and_the_rest_is_undone(
    transition: Transition, three: Participants, diary: list[str]
) -> None:
    _, second, journal = three
    journal.faults["apply"] = OperationFailed("disk full")
    second.faults["revert"] = OperationFailed("connection lost")
    fault = run(transition, three, diary)
    assert isinstance(fault, OutOfSync)
    assert (fault.tag, fault.app_tag, fault.participants) == ("rollback-failed", "out-of-sync", ("second",))
    assert "disk full" in fault.message
    assert "connection lost" in fault.message
    assert called(diary)[-1] == "first revert"
    assert diary[-2:] == ["first revert", "(reverted first)"]


def test_an_apply_past_its_deadline_is_out_of_sync_and_the_others_are_undone(
    transition: Transition, three: Participants, diary: list[str]
) -> None:
    three[1].faults["apply"] = OutcomeUnknown("no answer for 30 s")
    fault = run(transition, three, diary)
    assert isinstance(fault, OutOfSync)
    assert fault.participants == ("second",)
    assert "no answer for 30 s" in fault.message
    assert called(diary)[-3:] == ["second apply", "journal abort", "first revert"]
    assert "(aborted journal)" in diary


def test_a_bug_in_apply_promises_nothing_and_its_text_stays_inside(
    transition: Transition, three: Participants, diary: list[str], caplog: pytest.LogCaptureFixture
) -> None:
    three[0].faults["apply"] = ZeroDivisionError("x = 1 / 0")
    fault = run(transition, three, diary)
    assert isinstance(fault, OutOfSync)
    assert fault.participants == ("first",)
    assert "1 / 0" not in fault.message
    assert "1 / 0" in caplog.text


def test_several_errors_of_one_apply_are_a_clean_failure(
    transition: Transition, three: Participants, diary: list[str]
) -> None:
    fault = RpcErrors([OperationFailed("a"), OperationFailed("b")])
    three[1].faults["apply"] = fault
    assert run(transition, three, diary) is fault


def test_an_abort_that_fails_does_not_stop_the_others(
    transition: Transition, three: Participants, diary: list[str], caplog: pytest.LogCaptureFixture
) -> None:
    fault = ResourceDenied("no")
    three[2].faults["prepare"] = fault
    three[1].faults["abort"] = OperationFailed("cannot abort")
    assert run(transition, three, diary) is fault
    assert called(diary)[-1] == "first abort"
    assert "second could not abort" in caplog.text


def test_one_with_nothing_to_do_is_not_called_again(
    transition: Transition, three: Participants, diary: list[str]
) -> None:
    three[0].idle = True
    three[1].faults["apply"] = OperationFailed("no")
    run(transition, three, diary)
    assert [entry for entry in diary if entry.startswith("first")] == ["first prepare"]


@pytest.mark.parametrize("step", ["prepared first", "prepared journal", "applied second", "applied journal"])
def test_a_process_that_dies_at_a_step_undoes_nothing(
    transition: Transition, three: Participants, diary: list[str], step: str
) -> None:
    class Killed(BaseException):
        pass

    def kill(reached: str) -> None:
        if reached == step:
            raise Killed

    with pytest.raises(Killed):
        transact(transition, three[:2], three[2], kill)
    assert not any("abort" in entry or "revert" in entry for entry in diary)


def test_rehearsing_prepares_and_aborts(transition: Transition, three: Participants, diary: list[str]) -> None:
    assert rehearse(transition, three[:2]) == {"first": transition, "second": transition}
    assert diary == ["first prepare", "second prepare", "second abort", "first abort"]


def test_warnings_never_fail_and_all_violations_are_collected(transition: Transition) -> None:
    warning = InvalidValue("odd", severity="warning")
    violations: list[RpcError] = [InvalidValue("one"), InvalidValue("two")]
    assert check(transition, [lambda t: [warning], lambda t: []]) == (warning,)
    with pytest.raises(RpcErrors) as refused:
        check(transition, [lambda t: violations[:1], lambda t: [warning], lambda t: violations[1:]])
    assert list(refused.value.errors) == violations
