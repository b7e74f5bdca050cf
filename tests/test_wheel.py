"""The built wheel in a clean environment, from `pip install` to JupyterLab; and the steps that binder runs.

One environment serves both: making it is the slow part.
"""

from __future__ import annotations

import os
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from tests.serving import clean_environment, free_port, serving

ROOT = Path(__file__).parents[1]
WELCOME = "00_welcome.ipynb"


def run(*command: str | Path, cwd: Path = ROOT, **environment: str) -> str:
    done = subprocess.run(
        [str(part) for part in command],
        cwd=cwd,
        env={**os.environ, **environment},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout
    return done.stdout


@pytest.fixture(scope="session")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("wheel")
    run(sys.executable, "-m", "build", "--wheel", "--outdir", out, ROOT)
    return next(out.glob("influence_nb-*.whl"))


@pytest.fixture(scope="session")
def bin_folder(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where the programs of a clean environment with the wheel are."""
    place = tmp_path_factory.mktemp("clean") / "venv"
    run(sys.executable, "-m", "venv", place)
    scripts = place / ("Scripts" if os.name == "nt" else "bin")
    pip = (
        scripts / "python",
        "-m",
        "pip",
        "--disable-pip-version-check",
        "install",
        "--quiet",
        "--no-compile",
    )
    run(*pip, "--constraint", ROOT / "constraints.txt", wheel)
    return scripts


def test_the_wheel_holds_what_is_needed_and_nothing_else(wheel: Path) -> None:
    names = zipfile.ZipFile(wheel).namelist()
    tops = {name.split("/")[0] for name in names}
    assert tops == {"influence_nb", next(top for top in tops if top.endswith(".dist-info"))}
    notebooks = {path.name for path in (ROOT / "notebooks").glob("*.ipynb")}
    assert WELCOME in notebooks
    assert {f"influence_nb/notebooks/{name}" for name in notebooks} <= set(names)
    bundles = {path.name for path in (ROOT / "influence_nb" / "widgets" / "static").iterdir()}
    assert {f"influence_nb/widgets/static/{name}" for name in bundles} <= set(names)
    assert "influence_nb/py.typed" in names
    assert not [name for name in names if "__pycache__" in name or "node_modules" in name]


@pytest.mark.starter
def test_lab_from_an_empty_folder(bin_folder: Path, tmp_path: Path) -> None:
    here = tmp_path / "empty"
    here.mkdir()
    environment = clean_environment(tmp_path / "jupyter")
    environment.pop("PYTHONPATH", None)
    command = [str(bin_folder / "influence"), "lab", "--port", str(free_port()), "--no-browser"]
    with serving(command, here, environment) as server:
        assert server.path == f"/lab/tree/{WELCOME}"
        page = server.get(server.path)
        assert b"@jupyter-widgets/jupyterlab-manager" in page
        assert b'"anywidget"' in page
        assert b'"python3"' in server.get("/api/kernelspecs")
        assert server.contents(WELCOME)["type"] == "notebook"
    copied = here / "influence-notebooks"
    assert (copied / WELCOME).read_bytes() == (ROOT / "notebooks" / WELCOME).read_bytes()


@pytest.mark.starter
def test_binders_steps(bin_folder: Path, tmp_path: Path) -> None:
    wanted = (ROOT / "binder" / "runtime.txt").read_text().strip().removeprefix("python-")
    assert tuple(map(int, wanted.split("."))) >= (3, 11)
    run(
        bin_folder / "python",
        "-m",
        "pip",
        "install",
        "--quiet",
        "--no-cache-dir",
        "-r",
        "binder/requirements.txt",
    )
    post_build = ROOT / "binder" / "postBuild"
    assert os.access(post_build, os.X_OK)
    path = os.pathsep.join([str(bin_folder), os.environ["PATH"]])
    printed = run("bash", post_build, PATH=path)
    assert "starter/chat" in printed
    code = "import influence_nb as inb; print([m.name for m in inb.library()]); inb.Workbench"
    assert "'starter/chat', 'starter/embedding'" in run(bin_folder / "python", "-c", code, cwd=tmp_path)
