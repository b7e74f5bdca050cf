"""One wheel through pip's own client, in a process of its own that can be ended at any moment.

It knows no model: it asks for a package, a version and a SHA-256, and says in our errors what went wrong.
"""

from __future__ import annotations

import os
import queue
import re
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path

from influence_nb.errors import (
    DownloadInterrupted,
    HubUnreachable,
    InfluenceError,
    IntegrityError,
    NotEnoughDisk,
)

_KEPT = frozenset(
    "PIP_" + name
    for name in (
        *("INDEX_URL", "EXTRA_INDEX_URL", "NO_INDEX", "FIND_LINKS", "TRUSTED_HOST", "KEYRING_PROVIDER"),
        *("PROXY", "CERT", "CLIENT_CERT", "TIMEOUT", "DEFAULT_TIMEOUT", "RETRIES", "RESUME_RETRIES"),
        *("CONFIG_FILE", "CACHE_DIR", "NO_CACHE_DIR", "USE_FEATURE", "USE_DEPRECATED"),
    )
)
"""What the user's environment may say to pip: where the index is and how to reach it, not what to do."""

_PROGRESS = re.compile(r"Progress (\d+) of (\d+)")
_BROKEN_OFF = re.compile(
    r"IncompleteRead|incomplete-download|Read timed out|ConnectionReset|Connection broken"
)


def download_wheel(
    package: str,
    version: str,
    sha256: str,
    into: Path,
    on_bytes: Callable[[int, int], None],
    check: Callable[[], None],
) -> Path:
    """Fetch one wheel, checked against its SHA-256.

    Args:
        package: its name on the index.
        version: the exact version.
        sha256: of the wheel, in hex.
        into: an existing folder for the wheel.
        on_bytes: called with (bytes done, bytes in all) as pip reports them.
        check: called at least ten times a second; what it raises ends pip and goes on to the caller.

    Returns:
        The wheel's path, in `into`.

    Raises:
        HubUnreachable: no index answered, or none has that version.
        DownloadInterrupted: the connection broke and pip gave up.
        IntegrityError: the wheel has another SHA-256.
        NotEnoughDisk: the disk filled up.
        InfluenceError: pip says that all went well, and there is no wheel.
    """
    wanted = into / "wanted.txt"
    wanted.write_text(f"{package}=={version} --hash=sha256:{sha256}\n", encoding="utf-8")
    complaints = into / "complaints.txt"
    command = [
        *(sys.executable, "-m", "pip", "download", "--no-deps", "--only-binary", ":all:", "--require-hashes"),
        *("--no-input", "--disable-pip-version-check", "--progress-bar", "raw"),
        *("--dest", str(into), "--requirement", str(wanted)),
    ]
    environment = {
        name: value for name, value in os.environ.items() if not name.startswith("PIP_") or name in _KEPT
    }
    environment["PIP_REQUIRE_VIRTUALENV"] = "0"  # nothing is installed
    with (
        complaints.open("wb") as stderr,
        subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=stderr, env=environment
        ) as pip,
    ):
        try:
            _follow(pip, on_bytes, check)
        finally:
            _end(pip)
    if pip.returncode != 0:
        raise _failure(package, version, complaints.read_text(encoding="utf-8", errors="replace"))
    wheel = next(into.glob("*.whl"), None)
    if wheel is None:
        raise InfluenceError(
            f"pip ended well but left no wheel of {package} {version}.",
            "Look for settings of `pip download` in pip's own files (`pip config list`).",
        )
    return wheel


def _follow(
    pip: subprocess.Popen[bytes], on_bytes: Callable[[int, int], None], check: Callable[[], None]
) -> None:
    """Pass on pip's progress lines until its output ends, calling `check` in between."""
    lines: queue.SimpleQueue[bytes | None] = queue.SimpleQueue()

    def read() -> None:
        assert pip.stdout is not None
        for line in pip.stdout:
            lines.put(line)
        lines.put(None)

    threading.Thread(target=read, name="pip-output", daemon=True).start()
    while True:
        check()
        try:
            line = lines.get(timeout=0.1)
        except queue.Empty:
            continue
        if line is None:
            pip.wait()
            return
        if found := _PROGRESS.search(line.decode("utf-8", errors="replace")):
            on_bytes(int(found[1]), int(found[2]))


def _end(pip: subprocess.Popen[bytes]) -> None:
    if pip.poll() is not None:
        return
    pip.terminate()
    try:
        pip.wait(timeout=5)
    except subprocess.TimeoutExpired:
        pip.kill()
        pip.wait()


def _failure(package: str, version: str, complaints: str) -> InfluenceError:
    """What pip complained about, as one of our errors."""
    errors = [line.removeprefix("ERROR: ").strip() for line in complaints.splitlines() if "ERROR" in line]
    said = errors[-1] if errors else (complaints.strip().splitlines() or ["nothing"])[-1]
    what = f"{package} {version}"
    if "DO NOT MATCH THE HASHES" in complaints:
        return IntegrityError(
            f"The package index gave a {what} whose SHA-256 is not the known one.",
            "Nothing was kept. Check the index that pip is set up with (`pip config list`).",
        )
    if "No space left" in complaints:
        return NotEnoughDisk(
            f"The disk filled up while pip fetched {what}.",
            "Free some space, or set INFLUENCE_HOME to a folder on another disk.",
        )
    if "No matching distribution" not in complaints and _BROKEN_OFF.search(complaints):
        return DownloadInterrupted(
            f"The connection broke while pip fetched {what}: {said}", "Ask for it again to fetch it."
        )
    return HubUnreachable(
        f"The package index did not give {what}; pip says: {said}",
        "Run `influence starters` when online; the index is the one pip is set up with (`pip config list`).",
    )
