"""Tasks: what they take in, what they refuse by name, and that they come back from JSON as they were."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

import influence_nb as inb
from influence_nb.errors import InvalidData

ROWS: list[dict[str, Any]] = [
    {"question": "2 + 2 =", "choices": ["4", "5"], "answer": 0},
    {"question": "3 + 3 =", "choices": ["7", "6"], "answer": 1},
]


def test_items_come_from_lists_frames_and_files(tmp_path: Path) -> None:
    (tmp_path / "a.jsonl").write_text("\n".join(map(json.dumps, ROWS)) + "\n", encoding="utf-8")
    frame = pd.DataFrame(ROWS)
    frame.to_parquet(tmp_path / "a.parquet")
    (tmp_path / "a.json").write_text(json.dumps(ROWS), encoding="utf-8")
    files = [tmp_path / "a.jsonl", str(tmp_path / "a.parquet"), tmp_path / "a.json"]
    sources: list[Any] = [ROWS, frame, *files, iter(ROWS)]
    tasks = [inb.Task(source, "{{ question }}", inb.MultipleChoice()) for source in sources]
    assert len({task.sha256 for task in tasks}) == 1
    assert tasks[0].rows[1] == {"id": "1", **ROWS[1]}
    assert tasks[0].prompt(tasks[0].rows[0]) == "2 + 2 ="
    assert list(tasks[0].to_frame()["prompt"]) == ["2 + 2 =", "3 + 3 ="]


def test_columns_of_a_csv_may_hold_anything(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("question,answer,note\n2 + 2 =,4,\n3 + 3 =,6,hard\n", encoding="utf-8")
    task = inb.Task(tmp_path / "a.csv", "{{ question }}", inb.Matches("[0-9]+"))
    assert task.rows[0] == {"id": "0", "question": "2 + 2 =", "answer": "4", "note": None}
    assert task.rows[1]["note"] == "hard"


def test_cells_of_a_csv_stay_what_is_written(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("id,q,answer\n007,a,2\n8,b,10.5\n9,c,007\n", encoding="utf-8")
    task = inb.Task(tmp_path / "a.csv", "{{ q }}", inb.ExactMatch())
    assert [row["answer"] for row in task.rows] == ["2", "10.5", "007"]
    assert task.rows[0]["id"] == "007"
    (tmp_path / "b.csv").write_text("q,answer\na,1\nb,no\n", encoding="utf-8")
    scorer = inb.MultipleChoice(choices=("no", "yes"))
    assert [scorer.right_of(row) for row in inb.Task(tmp_path / "b.csv", "{{ q }}", scorer).rows] == [1, 0]
    digits = inb.MultipleChoice(choices=("1", "0"))
    assert digits.right_of({"answer": "1"}) == 0, "a text that is a choice is that choice"
    with pytest.raises(InvalidData, match="Item 0 has no correct answer"):
        inb.Task([{"q": "a", "answer": "2"}], "{{ q }}", scorer)


def test_numbers_of_json_do_not_change_with_their_neighbours(tmp_path: Path) -> None:
    rows = [{"q": "a", "answer": 2}, {"q": "b", "answer": 10.5}, {"q": "c", "answer": 2**60 + 1}]
    (tmp_path / "a.jsonl").write_text("\n".join(map(json.dumps, rows)), encoding="utf-8")
    for data in (rows, iter(rows), tmp_path / "a.jsonl"):
        answers = [row["answer"] for row in inb.Task(data, "{{ q }}", inb.ExactMatch()).rows]
        assert list(map(repr, answers)) == ["2", "10.5", str(2**60 + 1)]


def test_a_whole_float_is_the_integer_too() -> None:
    rows = inb.Task(
        pd.DataFrame({"q": ["a", "b"], "answer": [1, None]}).head(1), "{{ q }}", inb.ExactMatch()
    ).rows
    for strict in (False, True):
        for said, right in [("1", 1), ("1.0", 1), ("10", 0)]:
            [(values, _)] = inb.ExactMatch(strict=strict).judged(rows, [said])
            assert values["exact_match"] == right


def test_a_column_called_prompt_is_not_hidden() -> None:
    frame = inb.Task([{"prompt": "hello", "answer": "x"}], "Say {{ prompt }}", inb.ExactMatch()).to_frame()
    assert frame[["data.prompt", "prompt"]].iloc[0].tolist() == ["hello", "Say hello"]


def test_errors_of_templates_are_told_once() -> None:
    def refused(template: str) -> InvalidData:
        with pytest.raises(InvalidData) as caught:
            inb.Task(ROWS, template, inb.MultipleChoice())
        assert ".." not in str(caught.value)
        return caught.value

    named = refused("{{ quest }}")
    assert named.message == "The template names a column 'quest', which item 0 does not have."
    assert named.hint == "There are: id, question, choices, answer."
    assert "cannot be read: unexpected end of template" in refused("{{ question").message
    assert "fails on item 0: " in refused("{{ question.nothing }}").message
    forbidden = refused("{{ ''.__class__.__mro__ }}")
    assert forbidden.message.startswith("The template asks for what it may not have: access to attribute")


def test_a_task_comes_back_from_json() -> None:
    task = inb.Task(
        ROWS, "{{ question }}", inb.Matches(r"(\d)"), "sums", "Be brief.", chat=True,
        sampling=inb.Sampling(temperature=0.5, stop=("\n",)),
    )  # fmt: skip
    back = inb.Task.from_dict(json.loads(json.dumps(task.to_dict())))
    assert back.to_dict() == task.to_dict()
    assert back.sha256 == task.sha256
    assert back.prompt(back.rows[0]) == [
        {"role": "system", "content": "Be brief."},
        {"role": "user", "content": "2 + 2 ="},
    ]
    other = inb.Task(ROWS, "{{ question }}?", inb.Matches(r"(\d)"))
    assert other.sha256 != task.sha256
    assert other.data_sha256 == task.data_sha256
    assert task.head(1).data_sha256 != task.data_sha256


@pytest.mark.parametrize(
    ("rows", "template", "scorer", "words"),
    [
        ([], "{{ question }}", inb.MultipleChoice(), "no items"),
        ([{"id": "a", **ROWS[0]}, {"id": "a", **ROWS[1]}], "x", inb.MultipleChoice(), "'a' is there more than once"),
        ([{"id": "a", **ROWS[0]}, ROWS[1]], "x", inb.MultipleChoice(), "Item 1 has no id"),
        (ROWS, "{{ quest }}", inb.MultipleChoice(), "column 'quest'"),
        (ROWS, "{{ question", inb.MultipleChoice(), "cannot be read"),
        (ROWS, "{{ question + 1 }}", inb.MultipleChoice(), "fails on item 0"),
        (ROWS, None, inb.MultipleChoice(), "is none"),
        (ROWS, "", inb.ExactMatch(), "is none"),
        (ROWS, "x", "acc", "scorer='acc'"),
        (ROWS, "x", inb.MultipleChoice(choices="options"), "no column 'options'"),
        (ROWS, "x", inb.MultipleChoice(answer="right"), "no column 'right'"),
        ([*ROWS, {**ROWS[0], "answer": 2}], "x", inb.MultipleChoice(), "Item 2 has no correct answer"),
        ([*ROWS, {**ROWS[0], "answer": "3"}], "x", inb.MultipleChoice(), "but '3'"),
        ([*ROWS, {**ROWS[0], "answer": True}], "x", inb.MultipleChoice(), "Item 2 has no correct answer"),
        ([*ROWS, {**ROWS[0], "choices": ["4"]}], "x", inb.MultipleChoice(), "Item 2 has no two choices"),
        ([*ROWS, {**ROWS[0], "choices": ["4", ""]}], "x", inb.MultipleChoice(), "Item 2 has an empty choice"),
        ([*ROWS, {**ROWS[0], "choices": ["4", None]}], "x", inb.MultipleChoice(), "Item 2 has an empty choice"),
        ([*ROWS, {**ROWS[0], "choices": ["4", 4]}], "x", inb.MultipleChoice(), "Item 2 has a choice twice: '4', '4'"),
        ([{"q": "x", "answer": None}, {"q": "y", "answer": ""}], "x", inb.ExactMatch(), "Items 0, 1 have no correct"),
        ([{"q": "x"}], "x", inb.ExactMatch(), "no column 'answer'"),
    ],
)  # fmt: skip
def test_what_is_refused(rows: Any, template: str, scorer: Any, words: str) -> None:
    with pytest.raises(InvalidData) as caught:
        inb.Task(rows, template, scorer)
    assert words in caught.value.message
    assert caught.value.hint


def test_broken_lines_are_named(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    path.write_text('{"question": "a", "answer": "b"}\n{"question": \n\n[1]\n', encoding="utf-8")
    with pytest.raises(InvalidData, match="2 broken lines: 2, 4"):
        inb.Task(path, "{{ question }}", inb.ExactMatch())
    with pytest.raises(InvalidData, match="There is no file"):
        inb.Task(tmp_path / "none.jsonl", "x", inb.ExactMatch())
    with pytest.raises(InvalidData, match="no file of a kind"):
        inb.Task(str(tmp_path / "a.docx"), "x", inb.ExactMatch())


def test_other_refusals() -> None:
    with pytest.raises(InvalidData, match="needs a chat"):
        inb.Task(ROWS, "x", inb.MultipleChoice(), system="Be brief.")
    with pytest.raises(InvalidData, match="no regular expression"):
        inb.Matches("(")
    with pytest.raises(InvalidData, match="no task 'nonsense'"):
        inb.Task.named("nonsense")
    with pytest.raises(InvalidData, match="no scorer 'acc'"):
        inb.Task.from_dict({"rows": ROWS, "template": "x", "scorer": {"kind": "acc"}, "name": "a"})
    with pytest.raises(InvalidData, match="That is no task"):
        inb.Task.from_dict({"rows": ROWS})


def test_a_template_reaches_nothing_but_the_item() -> None:
    with pytest.raises(InvalidData):
        inb.Task(ROWS, "{{ ''.__class__.__mro__[1].__subclasses__() }}", inb.MultipleChoice())


@pytest.mark.parametrize(
    "make",
    [
        lambda: inb.MultipleChoice(choices=5),
        lambda: inb.MultipleChoice(separator=5),
        lambda: inb.ExactMatch(strict="yes"),
        lambda: inb.Judge(None),
    ],
)
def test_scorers_of_what_they_cannot_be_made_of(make: Any) -> None:
    with pytest.raises(InvalidData):
        make()


def test_a_task_travels_as_a_file(tmp_path: Path) -> None:
    task = inb.Task.named("arithmetic").head(3)
    assert inb.Task.load(task.save(tmp_path / "task.json")).sha256 == task.sha256
    (tmp_path / "task.json").write_text("{}")
    with pytest.raises(InvalidData, match="no task"):
        inb.Task.load(tmp_path / "task.json")


def test_a_value_that_is_missing_is_not_read_as_none(tmp_path: Path) -> None:
    rows = [{"country": "France", "answer": "Paris"}, {"country": None, "answer": "Tokyo"}]
    (tmp_path / "a.jsonl").write_text('{"country": "France", "answer": "Paris"}\n{"answer": "Tokyo"}\n')
    for data in (rows, pd.DataFrame(rows), tmp_path / "a.jsonl"):
        with pytest.raises(InvalidData, match="shows country of item 1, which is missing"):
            inb.Task(data, "The capital of {{ country }} is", inb.ExactMatch())
        task = inb.Task(data, "The capital{% if country %} of {{ country }}{% endif %} is", inb.ExactMatch())
        assert [task.prompt(row) for row in task.rows] == ["The capital of France is", "The capital is"]


def test_data_that_cannot_be_told_apart_or_kept(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("q,q,answer\na,b,c\n")
    with pytest.raises(InvalidData, match="column 'q' is there more than once"):
        inb.Task(tmp_path / "a.csv", "{{ q }}", inb.ExactMatch())
    with pytest.raises(InvalidData, match="Item '0' holds half a character"):
        inb.Task([{"q": "\ud800", "answer": "a"}], "{{ q }}", inb.ExactMatch())
    with pytest.raises(InvalidData, match="Item 0 has no id"):
        inb.Task([{"q": "a", "answer": "b"}, {"id": 7, "q": "a", "answer": "b"}], "{{ q }}", inb.ExactMatch())
    for data in (5, None):
        with pytest.raises(InvalidData, match="are no items"):
            inb.Task(data, "{{ q }}", inb.ExactMatch())
    for answer in ([None], ["a", ""]):
        with pytest.raises(InvalidData, match="no correct answer"):
            inb.Task([{"q": "a", "answer": answer}], "{{ q }}", inb.ExactMatch())
    with pytest.raises(InvalidData, match="several answers in 'answer'"):
        inb.Task([{"q": "a", "answer": ["b", "c"]}], "{{ q }}", inb.SemanticSimilarity())
    endless = "{% macro f() %}{{ f() }}{% endmacro %}{{ f() }}"
    with pytest.raises(InvalidData, match="fails on item 0"):
        inb.Task([{"q": "a", "answer": "b"}], endless, inb.ExactMatch())
