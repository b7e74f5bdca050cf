from __future__ import annotations

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from influence_nb.engine.packing import Size, packed

sizes = st.lists(st.builds(Size, st.integers(1, 3000), st.integers(1, 600)), max_size=40)


@settings(deadline=None, suppress_health_check=[HealthCheck.too_slow], max_examples=60)
@given(sizes, st.booleans(), st.none() | st.integers(1, 3000), st.integers(1, 9))
def test_every_prompt_is_in_one_group_and_the_rules_hold(
    given: list[Size], mixed: bool, mixed_below: int | None, most: int
) -> None:
    groups = packed(given, mixed, mixed_below, lambda count, longest, width: count <= most)
    assert sorted(place for group in groups for place in group) == list(range(len(given)))
    for group in groups:
        lengths = [given[place].prompt for place in group]
        assert lengths == sorted(lengths, reverse=True)
        assert len(group) <= most
        assert len(group) * lengths[0] <= 2 * sum(lengths) + 512
        width = lengths[0] + max(given[place].new for place in group)
        if not mixed or (mixed_below is not None and width > mixed_below):
            assert len(set(lengths)) == 1
    firsts = [given[group[0]].prompt for group in groups]
    assert firsts == sorted(firsts, reverse=True)


def test_one_long_prompt_does_not_make_the_short_ones_long() -> None:
    given = [Size(20, 10), Size(4000, 10), *[Size(30, 10)] * 8]
    groups = packed(given)
    assert groups[0][0] == 1
    assert len(groups[0]) <= 2
    assert len(groups) == 2


def test_memory_is_asked_for_the_group_as_it_would_be() -> None:
    asked: list[tuple[int, int, int]] = []

    def fits(count: int, longest: int, width: int) -> bool:
        asked.append((count, longest, width))
        return count * width <= 270

    groups = packed([Size(100, 20), Size(90, 40), Size(80, 5)], fits=fits)
    assert groups == [[0], [1, 2]]
    assert asked == [(2, 100, 140), (2, 90, 130)]
