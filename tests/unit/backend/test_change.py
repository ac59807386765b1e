"""Changes are as small as the difference, and come back."""

from hypothesis import given
from hypothesis import strategies as st

from cryptomap_backend.change import Change, between, change_of, with_reapplied
from cryptomap_backend.conformance import example_l2, example_tunnel
from cryptomap_backend.intent import Intent, Tunnel, carried

tunnels = st.builds(example_tunnel, st.integers(1, 6), st.sampled_from([None, 0, 0x28]))
intents = st.builds(Intent.of, st.lists(tunnels, max_size=6), st.just(()), st.sampled_from([None, example_l2()]))


@given(intents, intents)
def test_between_names_exactly_what_differs(old: Intent, new: Intent) -> None:
    change = between(old, new)
    assert {item.some.id for item in change.tunnels} == {
        key for key in {*old.tunnels, *new.tunnels} if old.tunnels.get(key) != new.tunnels.get(key)
    }
    assert change.is_empty == (old == new)
    assert between(new, old) == change.inverse()


@given(intents, st.dictionaries(st.integers(1, 6), st.none() | st.sampled_from([None, 0x28])))
def test_change_of_equals_the_comparison_of_the_whole(old: Intent, wanted: dict[int, int | None]) -> None:
    replacements: dict[object, Tunnel | None] = {
        example_tunnel(number).id: None if dscp is None else example_tunnel(number, dscp)
        for number, dscp in wanted.items()
    }
    change = change_of(old, replacements)  # type: ignore[arg-type]
    assert change == between(old, change.new)


def test_created_updated_and_deleted_are_told_apart() -> None:
    one, two, three = example_tunnel(1), example_tunnel(2), example_tunnel(3)
    other_two = carried(two, example_tunnel(2, dscp=1))
    change = between(Intent.of([one, two]), Intent.of([other_two, three]))
    assert list(change.created) == [three]
    assert list(change.deleted) == [one]
    assert list(change.updated) == [(two, other_two)]
    assert not change.l2_changed


def test_a_reapply_is_a_change_of_the_applied_dscp_only() -> None:
    pending = carried(example_tunnel(dscp=0x28), example_tunnel(dscp=0x12))
    change = with_reapplied(Intent.of([pending]), pending.id)
    assert list(change.updated) == [(pending, example_tunnel(dscp=0x12))]
    assert with_reapplied(change.new, pending.id).is_empty


def test_a_change_of_nothing_is_empty() -> None:
    intent = Intent.of([example_tunnel()])
    assert change_of(intent, {example_tunnel().id: example_tunnel(), example_tunnel(9).id: None}).is_empty
    assert Change(intent, intent).is_empty
