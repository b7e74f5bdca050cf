"""How search results are shown: a sequence, a frame, text, and a table that escapes what the hub says."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from influence_nb.hub.hits import ModelHit
from influence_nb.hub.results import SearchResults, count, size

NOW = datetime(2026, 3, 4, 5, 6, tzinfo=UTC)
HOSTILE = '<img src=x onerror="alert(1)">/&'


def shown(**about: Any) -> SearchResults:
    known = {
        "downloads": 1_234_567,
        "likes": 8,
        "parameters": 1_540_000_000,
        "size": 3_100_000_000,
        "updated": NOW,
    }
    hits = [ModelHit(id="acme/one", license="mit", gated="auto", fits="int8", **known), ModelHit(**about)]
    return SearchResults(hits, endpoint="https://hub.example")


def test_results_are_a_sequence():
    results = shown(id="acme/two")
    assert len(results) == 2
    assert (results[0].id, results[-1].id) == ("acme/one", "acme/two")
    assert [hit.id for hit in results[1:]] == ["acme/two"]
    assert results[1] in results
    assert not SearchResults(())


def test_a_frame_has_a_row_a_model_and_columns_of_numbers_and_dates():
    frame = shown(id="acme/two").to_frame()
    assert list(frame["id"]) == ["acme/one", "acme/two"]
    assert frame["parameters"].isna().tolist() == [False, True]
    assert frame["downloads"].sum() == 1_234_567
    assert frame["updated"][0] == NOW
    assert frame.loc[0, ["license", "gated", "fits"]].tolist() == ["mit", "auto", "int8"]
    assert list(SearchResults(()).to_frame().columns) == list(frame.columns)


def test_text_and_table_show_numbers_in_words_and_escape_what_the_hub_says():
    results = shown(id=HOSTILE, license="<b>", task="&amp;", tags=("<i>",))
    html = results._repr_html_()
    for words in ("1.5B", "3.1 GB", "1,234,567", "2026-03-04", "as int8", "gated", "mit"):
        assert words in html
    for words in ("1.5B", "3.1 GB", "1,234,567", "2026-03-04", "as int8", HOSTILE):
        assert words in repr(results)
    assert "<img" not in html
    assert "<b>" not in html
    assert "&lt;img src=x onerror=&quot;alert(1)&quot;&gt;" in html
    assert 'href="https://hub.example/acme/one"' in html


def test_no_result_is_said_in_words():
    assert repr(SearchResults(())) == "No model found."
    assert "No model found." in SearchResults(())._repr_html_()


def test_amounts_are_written_as_people_say_them():
    assert [count(n) for n in (None, 0, 950, 22_713_216, 134_515_008, 999_600_000, 1_711_376_384, 70_553_706_496)] == [
        "", "0", "950", "23M", "135M", "1B", "1.7B", "71B"]  # fmt: skip
    assert [size(n) for n in (None, 12, 1_500, 269_060_552, 3_400_000_000_000)] == [
        "", "12 B", "1.5 kB", "269 MB", "3.4 TB"]  # fmt: skip
