"""Deadlines: who calls is answered, what is unknown is said to be, and nothing overtakes."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from cryptomap_backend.change import between, change_of
from cryptomap_backend.conformance import example_tunnel
from cryptomap_backend.contract import ApplyFailed, Backend, Lane, OutcomeUnknown, Refused, Unavailable
from cryptomap_backend.intent import Intent, TunnelId
from cryptomap_backend.plan import Plan
from cryptomap_backend.simulator import Faults, SimulatorBackend, create
from cryptomap_backend.state import Observation
from cryptomap_backend.supervised import Supervised

ONE = Intent.of([example_tunnel()])
FIRST = between(Intent(), ONE)
LONG = 30


@contextmanager
def short_deadline(backend: Supervised) -> Iterator[None]:
    """For a call that is known to outlive any deadline."""
    backend.deadline = 0.1
    yield
    backend.deadline = LONG


@pytest.fixture
def simulator() -> SimulatorBackend:
    return create({"seed": 1})


@pytest.fixture
def patient(simulator: SimulatorBackend) -> Iterator[Supervised]:
    backend = Supervised(simulator, deadline=LONG)
    yield backend
    backend.close()


def test_it_is_a_backend_itself(patient: Supervised) -> None:
    assert isinstance(patient, Backend)
    patient.apply(patient.prepare(FIRST))
    assert set(patient.observe().tunnels) == set(ONE.tunnels)
    assert patient.health().connected


@pytest.mark.parametrize("after", [False, True])
def test_an_apply_past_its_deadline_is_unknown_until_reconciled(
    patient: Supervised, simulator: SimulatorBackend, after: bool
) -> None:
    plan = patient.prepare(FIRST)
    simulator.world.set_faults(Faults(hang="apply", after=after, times=1))
    with short_deadline(patient), pytest.raises(OutcomeUnknown, match="apply within its deadline"):
        patient.apply(plan)
    assert not patient.in_sync
    with pytest.raises(Unavailable, match="reconciled first"):
        patient.prepare(FIRST)
    with pytest.raises(Unavailable, match="reconciled first"):
        patient.apply(plan)
    assert not patient.health().in_sync
    patient.reconcile(ONE)
    assert patient.in_sync
    assert set(simulator.observe().tunnels) == set(ONE.tunnels)
    patient.apply(patient.prepare(change_of(ONE, {example_tunnel().id: None})))


@pytest.mark.parametrize("verb", ["prepare", "observe"])
def test_a_read_past_its_deadline_leaves_nothing_in_doubt(
    patient: Supervised, simulator: SimulatorBackend, verb: str
) -> None:
    simulator.world.set_faults(Faults(hang=verb, times=1))
    with short_deadline(patient), pytest.raises(Unavailable, match=f"did not answer {verb} within its deadline"):
        _ = patient.prepare(FIRST) if verb == "prepare" else patient.observe()
    assert patient.in_sync


def test_a_hung_read_does_not_hold_up_a_commit(patient: Supervised, simulator: SimulatorBackend) -> None:
    simulator.world.set_faults(Faults(hang="observe", times=1))
    with short_deadline(patient), pytest.raises(Unavailable):
        patient.observe()
    patient.apply(patient.prepare(FIRST))
    assert set(simulator.observe().tunnels) == set(ONE.tunnels)


@pytest.mark.parametrize(
    ("faults", "error", "in_sync"),
    [
        (Faults(refuse="no"), Refused, True),
        (Faults(fail_step=0), ApplyFailed, True),
        (Faults(disconnected=True), Unavailable, True),
        (Faults(lose="apply"), OutcomeUnknown, False),
    ],
)
def test_the_backends_own_word_passes(
    patient: Supervised, simulator: SimulatorBackend, faults: Faults, error: type[Exception], in_sync: bool
) -> None:
    patient.capabilities()
    simulator.world.set_faults(faults)
    with pytest.raises(error):
        patient.apply(patient.prepare(FIRST))
    assert patient.in_sync == in_sync


def test_a_failed_reconcile_leaves_the_doubt(patient: Supervised, simulator: SimulatorBackend) -> None:
    plan = patient.prepare(FIRST)
    simulator.world.set_faults(Faults(lose="apply"))
    with pytest.raises(OutcomeUnknown):
        patient.apply(plan)
    simulator.world.set_faults(Faults(fail_step=0))
    with pytest.raises(ApplyFailed):
        patient.reconcile(ONE)
    assert not patient.in_sync
    assert patient.health().last_error == "simulated failure in step 0"


class Stubborn(SimulatorBackend):
    """Takes its time in apply, deaf to interrupts, until told; and may have bugs."""

    def __init__(self) -> None:
        super().__init__(create({"seed": 1}).world)
        self.go_on = threading.Event()
        self.bug: Exception | None = None
        self.applied: list[str] = []

    def apply(self, plan: Plan) -> None:
        self.go_on.wait(30)
        if self.bug:
            raise self.bug
        self.applied.append(plan.token)
        super().apply(plan)

    def interrupt(self, lane: Lane) -> None:
        """Deaf."""


def test_while_a_call_is_overdue_nothing_overtakes_it() -> None:
    stubborn = Stubborn()
    backend = Supervised(stubborn, deadline=LONG, per_object=0)
    plan = backend.prepare(FIRST)
    with short_deadline(backend), pytest.raises(OutcomeUnknown):
        backend.apply(plan)
    with short_deadline(backend), pytest.raises(Unavailable, match="did not answer reconcile"):
        backend.reconcile(Intent())
    assert backend.health().last_error == "apply has not answered within its deadline"
    stubborn.go_on.set()
    assert backend.reconcile(Intent()).unexpected == (example_tunnel().id,)
    assert not stubborn.observe().tunnels
    backend.close()


def test_a_busy_backend_says_so_at_once() -> None:
    class Slow(SimulatorBackend):
        def observe(self, only: TunnelId | None = None) -> Observation:
            go_on.wait(30)
            return super().observe(only)

    go_on = threading.Event()
    backend = Supervised(Slow(create({}).world), deadline=LONG, per_object=0)
    with short_deadline(backend), pytest.raises(Unavailable, match="did not answer observe within its deadline"):
        backend.observe()
    with pytest.raises(Unavailable, match="busy: observe has not answered"):
        backend.capabilities()
    go_on.set()
    backend.close()


def test_what_has_not_begun_by_its_deadline_is_cancelled() -> None:
    stubborn = Stubborn()
    backend = Supervised(stubborn, deadline=LONG, per_object=0)
    plan = backend.prepare(FIRST)
    outcomes: list[type[Exception]] = []

    def apply() -> None:
        try:
            backend.apply(plan)
        except (OutcomeUnknown, Unavailable) as fault:
            outcomes.append(type(fault))

    backend.deadline = 0.1
    threads = [threading.Thread(target=apply) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(outcomes, key=str) == sorted([OutcomeUnknown, Unavailable], key=str)
    stubborn.go_on.set()
    backend.close()
    assert len(stubborn.applied) <= 1


def test_a_bug_in_apply_is_an_unknown_outcome() -> None:
    stubborn = Stubborn()
    stubborn.go_on.set()
    stubborn.bug = ZeroDivisionError("oops")
    backend = Supervised(stubborn)
    with pytest.raises(OutcomeUnknown, match="unforeseen"):
        backend.apply(backend.prepare(FIRST))
    assert not backend.in_sync
    backend.close()


def test_the_deadline_grows_with_the_change() -> None:
    stubborn = Stubborn()
    backend = Supervised(stubborn, deadline=0.0, per_object=10.0)
    stubborn.go_on.set()
    backend.apply(backend.prepare(FIRST))
    assert stubborn.applied
    backend.close()
