"""Some thousands of real texts that every machine has: the docstrings of Python's standard library.

It reads sources and runs none of them: nothing is imported.
"""

from __future__ import annotations

import ast
import sys
import sysconfig
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

from influence_nb.arguments import whole

if TYPE_CHECKING:
    import pandas

_NOT = {"__phello__", "antigravity", "ensurepip", "idlelib", "lib2to3", "site-packages", "test", "tests", "this",
        "turtledemo", "venv"}  # fmt: skip
"""Folders and modules that are left out: tests, demonstrations and copies of other projects."""
_LEAST = 25
"""Letters of a docstring's first paragraph; shorter ones say little."""
GROUPS = {
    "text": "string re difflib textwrap unicodedata stringprep readline rlcompleter codecs encodings _strptime",
    "data types": "datetime zoneinfo calendar collections heapq bisect array weakref types copy pprint reprlib enum "
    "graphlib _collections_abc _weakrefset _pydatetime copyreg",
    "numbers": "numbers math cmath decimal fractions random statistics _pydecimal _pylong",
    "functional": "itertools functools operator _operator",
    "files": "pathlib fileinput stat filecmp tempfile glob fnmatch linecache shutil os posixpath ntpath genericpath io "
    "_pyio nturl2path",
    "storage": "pickle pickletools shelve marshal dbm sqlite3",
    "compression": "zlib gzip bz2 lzma zipfile tarfile compression _compression",
    "formats": "csv configparser tomllib netrc plistlib json xml html mailbox mimetypes base64 binascii quopri "
    "email uu xdrlib",
    "security": "hashlib hmac secrets getpass crypt",
    "concurrency": "threading multiprocessing concurrent subprocess sched queue asyncio contextvars _threading_local "
    "signal selectors select",
    "network": "socket ssl http urllib ftplib poplib imaplib smtplib uuid socketserver xmlrpc ipaddress webbrowser "
    "wsgiref telnetlib nntplib cgi cgitb asyncore asynchat smtpd",
    "interface": "tkinter turtle curses cmd shlex argparse optparse getopt gettext locale logging _pyrepl",
    "development": "typing pydoc doctest unittest bdb faulthandler pdb timeit trace tracemalloc cProfile profile "
    "pstats warnings annotationlib",
    "runtime": "sys sysconfig builtins dataclasses contextlib abc _py_abc atexit traceback gc inspect site code codeop "
    "__future__ platform ctypes _osx_support _aix_support _sitebuiltins",
    "import": "zipimport pkgutil modulefinder runpy importlib imp",
    "packaging": "distutils zipapp",
    "language": "ast symtable token keyword tokenize tabnanny pyclbr py_compile compileall dis opcode _opcode_metadata",
    "media": "wave colorsys sndhdr imghdr aifc sunau chunk",
}
"""Groups of modules, much as the standard library's own documentation has them; what is in none is "other"."""


def docstrings(limit: int | None = None) -> pandas.DataFrame:
    """The docstrings of the running Python's standard library: for each the first paragraph, on one line.

    The whole texts are of all lengths, up to pages; their first paragraphs are a sentence or two, which an encoder
    reads to the end. Of equal texts only the first is kept. One interpreter always gives the same rows.

    Args:
        limit: only so many, taken evenly over all of them; None takes all, some thousands.

    Returns:
        The columns `text`, `module` (such as "json.decoder"), `category` (a group of modules, such as "formats"),
        `kind` ("module", "class", "function" or "method") and `name` (such as "JSONDecoder.decode").

    Raises:
        InvalidData: the limit is below 1 or not whole.
    """
    import pandas as pd

    if limit is not None:
        limit = whole("limit", limit, 1)
    rows = list(_all())
    if limit is not None and limit < len(rows):
        rows = [rows[at * len(rows) // limit] for at in range(limit)]
    return pd.DataFrame(rows, columns=["text", "module", "category", "kind", "name"])


@cache
def _all() -> tuple[tuple[str, str, str, str, str], ...]:
    group = {module: name for name, modules in GROUPS.items() for module in modules.split()}
    seen: set[str] = set()
    rows = []
    for module, path in _sources(Path(sysconfig.get_path("stdlib"))):
        try:
            tree = ast.parse(path.read_bytes())
        except (OSError, SyntaxError, ValueError):  # a file that is not for this Python
            continue
        for kind, name, node in _documented(tree):
            paragraph = (ast.get_docstring(node) or "").split("\n\n", 1)[0]
            text = " ".join(paragraph.split())
            if len(text) >= _LEAST and text not in seen and text.isprintable():
                seen.add(text)
                rows.append((text, module, group.get(module.split(".")[0], "other"), kind, name))
    return tuple(rows)


def _sources(root: Path) -> Iterator[tuple[str, Path]]:
    """The modules' names and files, in order of the names."""
    found = []
    for path in root.rglob("*.py"):
        parts = path.relative_to(root).with_suffix("").parts
        if (
            _NOT.isdisjoint(parts)
            and parts[0] in sys.stdlib_module_names
            and not parts[0].startswith("_sysconfig")
        ):
            found.append((".".join(parts).removesuffix(".__init__"), path))
    return iter(sorted(found))


def _documented(
    tree: ast.Module,
) -> Iterator[tuple[str, str, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef]]:
    """What may have a docstring, and that a person can call by name: kind, name and where it is."""
    yield "module", "", tree
    for node in tree.body:
        if isinstance(node, ast.ClassDef):
            yield "class", node.name, node
            for inner in node.body:
                if isinstance(inner, (ast.FunctionDef, ast.AsyncFunctionDef)):
                    yield "method", f"{node.name}.{inner.name}", inner
        elif isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
            yield "function", node.name, node
