"""A plan says what a download would do, and nothing is written before it is asked for."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from huggingface_hub import constants
from on_disk import NAME, contents

import influence_nb as inb
from influence_nb.errors import HubUnreachable, IntegrityError, InvalidData, ModelNotFound
from influence_nb.hub.fetch import fetch
from influence_nb.settings import settings
from tests.loopback import LoopbackHub
from tests.loopback.models import config, gguf, made_up


def names(plan: inb.DownloadPlan) -> list[str]:
    return [file.name for file in plan.files]


def test_a_plan_has_the_files_their_sizes_sums_and_reasons(hub: LoopbackHub) -> None:
    files = {**made_up(), "model.onnx": b"o", "pytorch_model.bin": b"p"}
    commit = hub.add(NAME, files, license="mit", tags=["small"], card={"pipeline_tag": "text-generation"})

    plan = inb.plan(NAME)

    assert (plan.repo_id, plan.commit, plan.revision, plan.endpoint) == (NAME, commit, None, hub.endpoint)
    assert set(names(plan)) == set(made_up())
    weights = next(file for file in plan.files if file.name == "model.safetensors")
    assert (weights.size, weights.here, weights.why) == (
        len(files[weights.name]),
        False,
        "weights, safetensors",
    )
    assert weights.sha256 is not None
    assert {file.sha256 for file in plan.files if file.name.endswith(".json")} == {None}
    assert all(file.blob_id for file in plan.files)
    assert plan.total == plan.remaining == sum(len(data) for data in made_up().values())
    assert dict(plan.left_out) == {
        "model.onnx": "ONNX",
        "pytorch_model.bin": "weights, PyTorch: safetensors are there",
    }
    assert (plan.license, plan.gated, plan.licence_page, plan.needs_code) == ("mit", False, None, False)
    assert "small" in plan.tags
    assert plan.card["pipeline_tag"] == "text-generation"
    assert plan.disk_free > 0
    assert len(hub.log) == 1
    assert not Path(constants.HF_HUB_CACHE).exists()


def test_a_plan_follows_branches_tags_and_commits(hub: LoopbackHub) -> None:
    first = hub.add(NAME, made_up(seed=1))
    hub.tag(NAME, "v1.0")
    second = hub.add(NAME, made_up(seed=2))
    hub.add(NAME, made_up(seed=3), branch="feature/new")

    assert inb.plan(NAME).commit == second
    assert inb.plan(NAME, "v1.0").commit == first
    assert inb.plan(NAME, first).commit == first
    model = inb.download(NAME, "feature/new")
    assert (
        Path(constants.HF_HUB_CACHE) / "models--someone--model/refs/feature/new"
    ).read_text() == model.revision


def test_a_plan_that_is_pinned_is_carried_out_though_the_branch_moved_on(hub: LoopbackHub) -> None:
    files = made_up(seed=1)
    hub.add(NAME, files)
    plan = inb.plan(NAME)
    hub.add(NAME, made_up(seed=2))

    assert contents(inb.download(plan).path) == files


def test_what_is_here_in_whole_or_in_part_is_not_counted_as_missing(hub: LoopbackHub) -> None:
    files = made_up()
    commit = hub.add(NAME, files)
    inb.download(inb.plan(NAME, include=["*.json"]))

    plan = inb.plan(NAME, commit)

    assert {file.name for file in plan.files if file.here} == {
        name for name in files if name.endswith(".json")
    }
    assert plan.remaining == sum(len(data) for name, data in files.items() if not name.endswith(".json"))
    weights = next(file for file in plan.files if file.name == "model.safetensors")
    plan.place.partial(weights).write_bytes(bytes(1000))
    assert inb.plan(NAME, commit).remaining == plan.remaining - 1000


def test_code_of_a_models_own_is_fetched_and_told_where_it_is_needed(hub: LoopbackHub) -> None:
    code = {"modeling_own.py": b"raise SystemExit", "setup.py": b""}
    hub.add(NAME, {**made_up(auto_map={"AutoModel": "modeling_own.Own"}), **code})
    hub.add("someone/tagged", {**made_up(), **code}, tags=["custom_code"])
    hub.add("someone/plain", {**made_up(), **code})

    for needing in (NAME, "someone/tagged"):
        plan = inb.plan(needing)
        assert plan.needs_code
        assert plan.code_files == ("modeling_own.py", "setup.py")
        assert "code of its own" in repr(plan)
    plain = inb.plan("someone/plain")
    assert (plain.needs_code, plain.code_files) == (False, ())
    assert dict(plain.left_out)["modeling_own.py"] == "code that the model does not ask for"


def test_patterns_choose_and_leave_out(hub: LoopbackHub) -> None:
    hub.add(NAME, {**made_up(), "onnx/model.onnx": b"o", "onnx/config.json": b"{}"})

    assert names(inb.plan(NAME, include=["onnx/"])) == ["onnx/config.json", "onnx/model.onnx"]
    assert names(inb.plan(NAME, include="*.onnx")) == ["onnx/model.onnx"]
    assert "README.md" not in names(inb.plan(NAME, exclude=["README*"]))
    assert dict(inb.plan(NAME, exclude="README*").left_out)["README.md"] == "excluded"
    with pytest.raises(InvalidData, match="No file is left") as caught:
        inb.plan(NAME, include=["*.gguf"])
    assert "config.json" in caught.value.hint
    with pytest.raises(InvalidData, match="no pattern"):
        inb.plan(NAME, include=[3])


def test_a_quantization_can_be_chosen_and_is_checked(hub: LoopbackHub) -> None:
    hub.add(NAME, gguf(quantizations=("Q2_K", "Q4_K_M", "Q8_0")))

    assert names(inb.plan(NAME)) == ["README.md", "model.Q4_K_M.gguf"]
    assert names(inb.plan(NAME, quantization="q8_0")) == ["README.md", "model.Q8_0.gguf"]
    with pytest.raises(InvalidData, match="Q5_K_M") as caught:
        inb.plan(NAME, quantization="Q5_K_M")
    assert "Q2_K, Q4_K_M, Q8_0" in caught.value.hint
    model = inb.download(NAME, quantization="Q2_K")
    assert (model.format, model.quantization) == ("gguf", "Q2_K")


@pytest.mark.parametrize(
    "name",
    [
        *(
            "../outside.json",
            "a/../../outside.json",
            "/etc/outside.json",
            "..\\outside.json",
            "C:\\outside.json",
        ),
        *(
            "C:outside.json",
            "a/./b.json",
            "a//b.json",
            "nul\x00byte.json",
            "..",
            "a/ .. /b.json",
            "line\nfeed.json",
        ),
    ],
)
def test_a_name_that_would_leave_the_folder_is_refused_and_nothing_is_written(
    hub: LoopbackHub, tmp_path: Path, name: str
) -> None:
    hub.add(NAME, {**made_up(), name: b"{}"})
    before = sorted(tmp_path.rglob("*"))

    with pytest.raises(IntegrityError, match="would not stay") as caught:
        inb.download(NAME, output_dir=tmp_path / "mine")

    assert "Nothing was written" in caught.value.hint
    assert sorted(tmp_path.rglob("*")) == before
    assert not hub.requests("*/resolve/*")
    hub.add(NAME, made_up())
    assert inb.download(NAME, output_dir=tmp_path / "mine").name == NAME


def test_a_name_that_is_both_a_file_and_a_folder_is_refused(hub: LoopbackHub) -> None:
    hub.add(NAME, {**made_up(), "a": b"", "a/b": b""})
    with pytest.raises(IntegrityError, match="both"):
        inb.plan(NAME)


def test_a_remembered_listing_that_was_tampered_with_or_cut_off_is_asked_for_anew(
    hub: LoopbackHub, tmp_home: Path
) -> None:
    commit = hub.add(NAME, made_up())
    inb.plan(NAME)
    path = tmp_home / "plans/someone--model" / f"{commit}.json"
    whole = path.read_text()
    for spoilt in ("", "[]", whole[:-9], whole.replace('"config.json"', '"../config.json"')):
        path.write_text(spoilt)
        hub.forget()
        assert len(inb.plan(NAME, commit).files) == 5
        assert len(hub.log) == 1


def test_a_home_that_cannot_be_written_costs_nothing_but_memory(
    hub: LoopbackHub, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "file").write_text("in the way")
    monkeypatch.setenv("INFLUENCE_HOME", str(tmp_path / "file"))
    settings.cache_clear()
    commit = hub.add(NAME, made_up())
    assert inb.download(NAME, commit).revision == commit
    assert inb.download(NAME, commit).revision == commit


def test_what_one_hub_said_is_not_believed_of_another(hub: LoopbackHub) -> None:
    commit = hub.add(NAME, made_up())
    inb.plan(NAME)
    with LoopbackHub() as other, pytest.raises(ModelNotFound):
        inb.plan(NAME, commit, mirror=other.endpoint)


def test_a_plan_shows_itself_as_text_a_table_and_a_frame(hub: LoopbackHub) -> None:
    odd = "<script>alert(1)<!script>.json"
    hub.add(NAME, {**made_up(), odd: b"{}", "x.onnx": b""}, gated="auto")

    plan = inb.plan(NAME)

    assert "model.safetensors" in repr(plan)
    assert "<script>" not in plan._repr_html_()
    assert f'href="{hub.endpoint}/{NAME}"' in plan._repr_html_()
    frame = plan.to_frame().set_index("name")
    assert frame.loc["model.safetensors", "size"] == len(made_up()["model.safetensors"])
    assert not frame.loc["x.onnx", "fetched"]
    assert frame["fetched"].sum() == len(plan.files)


# A mirror without an API


@pytest.fixture
def plain(hub: LoopbackHub) -> LoopbackHub:
    """A hub that gives files and lists none."""
    hub.fault("*", "no_api")
    return hub


def test_without_an_api_the_names_that_models_have_are_tried(plain: LoopbackHub) -> None:
    files = made_up(100_000, shards=3)
    commit = plain.add(NAME, {**files, "notes.xyz": b"unknown"})

    plan = inb.plan(NAME)

    assert plan.commit == commit
    assert set(names(plan)) == set(files)
    assert plan.total == sum(map(len, files.values()))
    assert contents(inb.download(plan).path) == files
    plain.forget()
    assert inb.download(NAME, commit).revision == commit
    assert plain.log == []


def test_without_an_api_sentence_transformers_folders_are_found(plain: LoopbackHub) -> None:
    modules = [{"path": ""}, {"path": "1_Pooling"}, {"path": "2_Dense"}]
    files = {
        **made_up(),
        "modules.json": json.dumps(modules).encode(),
        "1_Pooling/config.json": b"{}",
        "2_Dense/config.json": b'{"x": 1}',
        "2_Dense/model.safetensors": b"dense",
    }
    plain.add(NAME, files)
    assert contents(inb.download(NAME).path) == files


def test_without_an_api_further_names_can_be_given(plain: LoopbackHub) -> None:
    files = gguf()
    plain.add(NAME, files)
    model = inb.download(inb.plan(NAME, include=["model.Q8_0.gguf"]))
    assert contents(model.path) == {"model.Q8_0.gguf": files["model.Q8_0.gguf"]}
    commit = inb.plan(NAME, include=["model.Q8_0.gguf"]).commit
    assert names(inb.plan(NAME, commit, include=["model.Q4_K_M.gguf"])) == ["model.Q4_K_M.gguf"]


def test_without_an_api_names_in_the_models_own_files_are_not_trusted(
    plain: LoopbackHub, tmp_path: Path
) -> None:
    index = json.dumps({"weight_map": {"w": "../../outside.safetensors"}}).encode()
    plain.add(NAME, {"config.json": config(), "model.safetensors.index.json": index})
    with pytest.raises(IntegrityError, match="would not stay"):
        inb.plan(NAME)


def test_without_an_api_a_missing_model_is_told_as_missing(plain: LoopbackHub) -> None:
    with pytest.raises(ModelNotFound, match="someone/model"):
        inb.plan(NAME)


def test_a_mirror_of_plain_files_without_any_sums_works_too(hub: LoopbackHub, tmp_path: Path) -> None:
    files = made_up(5_000_000)
    with LoopbackHub(plain=True) as mirror:
        mirror.fault("*", "no_api")
        mirror.add(NAME, files)
        mirror.fault("*/model.safetensors", "close_after", bytes=1_000_000)
        plan = inb.plan(NAME, mirror=mirror.endpoint)
        model = inb.download(plan)
        assert contents(model.path) == files
        assert model.revision == plan.commit
        assert [request.range for request in mirror.requests("*/model.safetensors", method="GET")] == [
            None,
            (1_000_000, None),
        ]
        mirror.forget()
        fetch(inb.plan(NAME, plan.commit, mirror=mirror.endpoint))
        assert mirror.log == []


def test_a_server_that_has_every_name_is_no_mirror(hub: LoopbackHub) -> None:
    hub.fault("/api/*", "no_api")
    hub.fault("*", "html")
    with pytest.raises(HubUnreachable, match="anything with something"):
        inb.plan(NAME)
