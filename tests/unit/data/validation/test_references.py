"""The value index against a plain dictionary."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from cryptomap.data.validation.references import Keys, References

TOKENS = {"flat": 0, "grouped": 1}
keys = st.tuples(st.sampled_from("ab"), st.integers(0, 2))
steps = st.tuples(st.booleans(), st.sampled_from(sorted(TOKENS)), st.sampled_from("xy"), keys)


@settings(max_examples=200, deadline=None)
@given(st.lists(st.lists(steps, max_size=12), max_size=4))
def test_it_is_a_set_of_holders(commits: list[list[tuple[bool, str, str, Keys]]]) -> None:
    index = References()
    model: set[tuple[str, str, Keys]] = set()
    for commit in commits:
        before, was = index, set(model)
        edit = index.edit(TOKENS)
        for add, token, value, holder in commit:
            (edit.add if add else edit.remove)(token, value, holder)
            (model.add if add else model.discard)((token, value, holder))
            for within in [(), ("a",), ("b", 1)]:
                found = sorted(edit.holders(token, value, within))
                assert found == sorted(
                    h for t, v, h in model if (t, v) == (token, value) and h[: len(within)] == within
                )
        index = edit.finish()
        assert set(index) == model
        assert set(before) == was, "an index in use must not change"


def test_who_holds_a_value() -> None:
    edit = References().edit(TOKENS)
    for holder in [("b", 1), ("a", 2), ("a", 1)]:
        edit.add("grouped", "x", holder)
    index = edit.finish()
    assert index.holders("grouped", "x") == [("a", 1), ("a", 2), ("b", 1)]
    assert (index.count("grouped", "x"), index.count("grouped", "y"), index.count("flat", "x")) == (3, 0, 0)
