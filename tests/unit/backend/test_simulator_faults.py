"""Each fault on purpose does what it says, once or for ever, and never leaves half a change."""

import pytest

from cryptomap_backend.change import between, change_of
from cryptomap_backend.conformance import example_l2, example_tunnel
from cryptomap_backend.contract import ApplyFailed, BackendError, OutcomeUnknown, Refused, Unavailable, Unsupported
from cryptomap_backend.intent import Intent
from cryptomap_backend.plan import Plan
from cryptomap_backend.simulator import Faults, SimulatorBackend, World, create
from cryptomap_backend.state import EventKind

TWO = Intent.of([example_tunnel(1), example_tunnel(2)], l2=example_l2())


@pytest.fixture
def backend() -> SimulatorBackend:
    return create({"seed": 1})


def prepared(backend: SimulatorBackend) -> Plan:
    return backend.prepare(between(Intent(), TWO))


def held(backend: SimulatorBackend) -> Intent:
    assert isinstance(backend.world, World)
    return backend.world.held()


def test_a_refusal_in_prepare(backend: SimulatorBackend) -> None:
    backend.world.set_faults(Faults(refuse="the licence has run out"))
    with pytest.raises(Refused, match="the licence has run out"):
        prepared(backend)


@pytest.mark.parametrize("step", [0, 1, 2])
def test_a_failure_in_any_step_leaves_nothing(backend: SimulatorBackend, step: int) -> None:
    plan = prepared(backend)
    assert len(plan.steps) == 3
    backend.world.set_faults(Faults(fail_step=step))
    with pytest.raises(ApplyFailed, match=f"step {step}"):
        backend.apply(plan)
    assert held(backend) == Intent()
    assert backend.events() == ()
    backend.world.set_faults(Faults())
    backend.apply(plan)
    assert held(backend) == TWO


def test_a_failed_revert_leaves_what_was_applied(backend: SimulatorBackend) -> None:
    plan = prepared(backend)
    backend.apply(plan)
    backend.world.set_faults(Faults(fail_revert=True, times=1))
    with pytest.raises(ApplyFailed):
        backend.revert(plan)
    assert held(backend) == TWO
    backend.revert(plan)
    assert held(backend) == Intent()


@pytest.mark.parametrize(("after", "world"), [(False, Intent()), (True, TWO)])
def test_a_connection_lost_in_apply_leaves_the_outcome_unknown(
    backend: SimulatorBackend, after: bool, world: Intent
) -> None:
    plan = prepared(backend)
    backend.world.set_faults(Faults(lose="apply", after=after, times=1))
    with pytest.raises(OutcomeUnknown, match="lost during apply"):
        backend.apply(plan)
    assert held(backend) == world
    backend.reconcile(TWO)
    assert held(backend) == TWO


def test_a_connection_lost_in_a_read_is_merely_unavailable(backend: SimulatorBackend) -> None:
    backend.world.set_faults(Faults(lose="observe"))
    with pytest.raises(Unavailable):
        backend.observe()


def test_a_disconnected_backend_answers_nothing_and_says_so(backend: SimulatorBackend) -> None:
    backend.world.set_faults(Faults(disconnected=True))
    for call in (backend.observe, lambda: prepared(backend), lambda: backend.reconcile(TWO), backend.capabilities):
        with pytest.raises(Unavailable):
            call()
    assert not backend.health().connected
    backend.world.set_faults(Faults())
    assert backend.health().connected
    assert [event.kind for event in backend.events()] == [EventKind.BACKEND_LOST, EventKind.BACKEND_BACK]


def test_a_lie_is_told_by_observe_and_by_nothing_else(backend: SimulatorBackend) -> None:
    backend.apply(prepared(backend))
    backend.world.set_faults(Faults(lie="missing"))
    assert not backend.observe().tunnels
    assert not backend.observe(example_tunnel(1).id).tunnels
    backend.world.set_faults(Faults(lie="unmarked"))
    (child,) = backend.observe().tunnels[example_tunnel(1).id].children
    assert child.applied_dscp is None
    assert backend.reconcile(TWO).is_empty


def test_a_fault_fires_as_often_as_told(backend: SimulatorBackend) -> None:
    backend.world.set_faults(Faults(refuse="no", times=2))
    for _ in range(2):
        with pytest.raises(Refused):
            prepared(backend)
    prepared(backend)


def test_what_the_simulator_shall_lack_is_unsupported() -> None:
    backend = create({"lacks": ["sha1-96"]})
    with pytest.raises(Unsupported, match="ESP integrity sha1-96") as refusal:
        prepared(backend)
    assert {item for item, _ in refusal.value.complaints} == {example_tunnel(1).id, example_tunnel(2).id}
    assert isinstance(refusal.value, BackendError)


def test_only_what_a_change_sets_is_judged() -> None:
    backend = create({"lacks": ["sha1-96"]})
    assert backend.prepare(change_of(TWO, {example_tunnel(1).id: None})).effects[0].kind == "teardown"


def test_a_token_is_never_used_twice() -> None:
    assert prepared(create({"seed": 1})).token != prepared(create({"seed": 1})).token
