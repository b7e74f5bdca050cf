"""JupyterLab in a real browser: a server in fresh folders, and a notebook page that a test can drive.

It knows nothing of the panels: tests select what they click by roles, names and `data-status`.
Every wait is for a condition on the page or in the kernel.
"""

from __future__ import annotations

import ast
import json
import os
import secrets
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any

import nbformat

import influence_nb
from influence_nb.settings import settings

PATIENCE = 120_000  # ms: how long a condition may take on a slow machine before a test gives up
CHROMIUM_FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
NOTIFICATIONS = {"fetchNews": "false", "checkForUpdates": False, "doNotDisturbMode": True}

NOTEBOOK_READY = """async () => {
  const app = window.jupyterapp;
  await app.restored;
  const widget = app.shell.currentWidget;
  if (!widget || !widget.context || !widget.sessionContext) return false;
  await widget.context.ready;
  await widget.sessionContext.ready;
  if (!widget.sessionContext.session?.kernel) return false;
  await widget.sessionContext.session.kernel.info;
  return true;
}"""
KERNEL_EVAL = """async (expression) => {
  const kernel = window.jupyterapp.shell.currentWidget.sessionContext.session.kernel;
  const reply = await kernel.requestExecute({
    code: '', silent: true, store_history: false, user_expressions: {value: expression},
  }).done;
  return reply.content.user_expressions.value;
}"""


def free_port() -> int:
    """A port of 127.0.0.1 that nobody listens on now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def isolated_environment(folder: Path) -> dict[str, str]:
    """This process's environment with every Jupyter folder below `folder`; the models are shared."""
    quiet = folder / "settings" / "@jupyterlab" / "apputils-extension"
    quiet.mkdir(parents=True)
    (quiet / "notification.jupyterlab-settings").write_text(json.dumps(NOTIFICATIONS))
    package = str(Path(influence_nb.__file__).parents[1])
    return {
        **os.environ,
        "HOME": str(folder / "home"),
        "INFLUENCE_HOME": str(settings().home),
        "XDG_CACHE_HOME": str(folder / "home" / ".cache"),
        "JUPYTER_CONFIG_DIR": str(folder / "config"),
        "JUPYTER_DATA_DIR": str(folder / "data"),
        "JUPYTER_RUNTIME_DIR": str(folder / "runtime"),
        "JUPYTERLAB_SETTINGS_DIR": str(folder / "settings"),
        "JUPYTERLAB_WORKSPACES_DIR": str(folder / "workspaces"),
        "IPYTHONDIR": str(folder / "ipython"),
        "PYTHONPATH": os.pathsep.join(filter(None, [package, os.environ.get("PYTHONPATH")])),
    }


def wait_for_http(url: str, process: subprocess.Popen[bytes], log: Path) -> None:
    """Return when `url` answers; raise with the server's log when it ends or does not answer in a minute."""
    deadline = time.monotonic() + PATIENCE / 1000
    while time.monotonic() < deadline:
        if process.poll() is not None:
            break
        try:
            with urllib.request.urlopen(url, timeout=5):
                return
        except urllib.error.HTTPError:  # an answer, if not a page
            return
        except OSError:
            time.sleep(0.1)
    raise RuntimeError(f"{url} does not answer; the server's log:\n{log.read_text()[-4000:]}")


BUSY = "Ignoring draw call"
"""What jupyter-scatter says on a page so busy that it is drawing still, longer than `Outbox` waits: no fault of ours,
nor a sign of one."""


class LabServer:
    """One JupyterLab server and one browser; `open` gives each test a notebook of its own."""

    def __init__(self, folder: Path, browser: Any) -> None:
        self.browser = browser
        self.root = folder / "notebooks"
        self.root.mkdir(parents=True)
        self.token = secrets.token_hex(8)
        self.url = f"http://127.0.0.1:{free_port()}"
        self._pages: list[LabPage] = []
        self._log = folder / "jupyterlab.log"
        command = [sys.executable, "-m", "jupyterlab", "--no-browser", "--ip=127.0.0.1", "--allow-root"]
        command += [f"--port={self.url.rsplit(':', 1)[1]}", "--ServerApp.port_retries=0"]
        command += [f"--IdentityProvider.token={self.token}", f"--ServerApp.root_dir={self.root}"]
        command += ["--LabApp.news_url=None", "--LabApp.expose_app_in_browser=True"]
        command += ["--LabApp.check_for_updates_class=jupyterlab.NeverCheckForUpdate"]
        environment = isolated_environment(folder)
        with self._log.open("wb") as log:
            self._process = subprocess.Popen(command, env=environment, stdout=log, stderr=log, cwd=self.root)
        try:
            wait_for_http(f"{self.url}/api?token={self.token}", self._process, self._log)
        except RuntimeError:
            self.stop()
            raise

    def open(self, notebook: Path | list[str], name: str = "notebook.ipynb", theme: str = "light") -> LabPage:
        """A page showing `notebook`: a path, or the sources of its code cells."""
        if isinstance(notebook, Path):
            content = nbformat.read(notebook, as_version=4)
        else:
            cells = [nbformat.v4.new_code_cell(source) for source in notebook]
            content = nbformat.v4.new_notebook(cells=cells)
        content.metadata.kernelspec = {"name": "python3", "display_name": "Python 3", "language": "python"}
        folder = self.root / secrets.token_hex(4)
        folder.mkdir()
        nbformat.write(content, folder / name)
        page = LabPage(self, f"{folder.name}/{name}")
        self._pages.append(page)
        page.goto()
        page.theme(theme)
        return page

    def api(self, method: str, path: str) -> Any:
        """Call the server's REST API, e.g. `api("GET", "kernels")`."""
        request = urllib.request.Request(f"{self.url}/api/{path}", method=method)
        request.add_header("Authorization", f"token {self.token}")
        with urllib.request.urlopen(request, timeout=30) as response:
            body = response.read()
        return json.loads(body) if body else None

    def close_pages(self) -> None:
        """Close every page opened so far and end their kernels."""
        for page in self._pages:
            page.context.close()
        self._pages.clear()
        for session in self.api("GET", "sessions"):
            self.api("DELETE", f"sessions/{session['id']}")

    def stop(self) -> None:
        """End the server and its kernels."""
        self._process.terminate()
        try:
            self._process.wait(timeout=20)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()


class LabPage:
    """One notebook open in the browser. `page` is the Playwright page."""

    def __init__(self, server: LabServer, path: str) -> None:
        self.server = server
        self.path = path
        self.context = server.browser.new_context(
            viewport={"width": 1280, "height": 1000}, permissions=["clipboard-read", "clipboard-write"]
        )
        self.errors: list[str] = []
        self.page = self._new_page()

    def _new_page(self) -> Any:
        page = self.context.new_page()
        page.set_default_timeout(PATIENCE)
        page.on("pageerror", self._broke)
        return page

    def _broke(self, error: Any) -> None:
        if not str(error).startswith(BUSY):
            self.errors.append(str(error))

    @property
    def file(self) -> Path:
        """The notebook on the disk."""
        return self.server.root / self.path

    def goto(self, reset: bool = True) -> None:
        """Load the notebook, and wait until its kernel answers."""
        suffix = "&reset" if reset else ""
        self.page.goto(f"{self.server.url}/lab/tree/{self.path}?token={self.server.token}{suffix}")
        self.page.wait_for_function("window.jupyterapp !== undefined")
        self._until(NOTEBOOK_READY)

    def reload(self) -> None:
        """Load the page again; the kernel keeps running."""
        self.goto(reset=False)

    def theme(self, name: str) -> None:
        """Switch to JupyterLab's "light" or "dark" theme."""
        full = {"light": "JupyterLab Light", "dark": "JupyterLab Dark"}[name]
        if self.page.evaluate("document.body.dataset.jpThemeName") != full:
            self.page.evaluate("t => jupyterapp.commands.execute('apputils:change-theme', {theme: t})", full)
            self.page.wait_for_function("t => document.body.dataset.jpThemeName === t", arg=full)

    def run_all(self) -> None:
        """Run all cells and wait until they are done."""
        self.page.evaluate("() => jupyterapp.commands.execute('notebook:run-all-cells')")

    def run_cell(self, index: int, wait: bool = True) -> None:
        """Run cell `index`; with `wait=False` return as soon as it was sent."""
        self.page.evaluate(
            """async ([index, wait]) => {
              const notebook = jupyterapp.shell.currentWidget.content;
              notebook.deselectAll();
              notebook.activeCellIndex = index;
              const done = jupyterapp.commands.execute('notebook:run-cell');
              if (wait) await done;
            }""",
            [index, wait],
        )

    def outputs(self, index: int) -> list[dict[str, Any]]:
        """The outputs of cell `index`, as the notebook format has them."""
        found = self.page.evaluate(
            "i => jupyterapp.shell.currentWidget.content.widgets[i].model.outputs.toJSON()", index
        )
        return list(found)

    def save(self) -> dict[str, Any]:
        """Save the notebook and return it as it lies on the disk."""
        self.page.evaluate("() => jupyterapp.commands.execute('docmanager:save')")
        return dict(nbformat.read(self.file, as_version=4))

    def as_read(self) -> str:
        """The saved notebook as nbconvert's HTML: what a reader without a kernel sees."""
        self.save()
        command = [sys.executable, "-m", "nbconvert", "--to", "html", "--stdout", str(self.file)]
        return subprocess.run(command, capture_output=True, text=True, check=True).stdout

    def kernel_eval(self, expression: str) -> Any:
        """The value of a Python expression in the kernel, through its repr.

        The kernel must be free: a cell that blocks makes this wait for it.
        """
        answer = self.page.evaluate(KERNEL_EVAL, expression)
        if answer["status"] != "ok":
            raise RuntimeError(f"{answer['ename']}: {answer['evalue']}")
        text = answer["data"]["text/plain"]
        try:
            return ast.literal_eval(text)
        except (SyntaxError, ValueError):
            return text

    def kernel_until(self, expression: str) -> Any:
        """Ask the kernel until `expression` is true there; its value."""
        deadline = time.monotonic() + PATIENCE / 1000
        while not (value := self.kernel_eval(expression)):
            if time.monotonic() > deadline:
                raise TimeoutError(f"{expression} did not become true")
            self.page.wait_for_timeout(50)
        return value

    def screenshot(self, path: Path, selector: str | None = None) -> Path:
        """A picture of the page, or of the first element that matches `selector`."""
        path.parent.mkdir(parents=True, exist_ok=True)
        target = self.page.locator(selector).first if selector else self.page
        target.screenshot(path=path)
        return path

    def _until(self, condition: str) -> None:
        deadline = time.monotonic() + PATIENCE / 1000
        while not self.page.evaluate(condition):
            if time.monotonic() > deadline:
                raise TimeoutError(f"the notebook {self.path} did not get ready")
            self.page.wait_for_timeout(100)
