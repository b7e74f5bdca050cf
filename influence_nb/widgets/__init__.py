"""The panels: each a widget that keeps a readable static rendering in the saved notebook.

This module knows only which module each panel lives in; a panel's module is imported when its name is
first used.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from influence_nb.lazy import lazy

if TYPE_CHECKING:
    from influence_nb.widgets.chat import ChatPanel
    from influence_nb.widgets.compare import CompareExplorer
    from influence_nb.widgets.download import DownloadPanel
    from influence_nb.widgets.explorer import EmbeddingExplorer
    from influence_nb.widgets.grid import GridPanel
    from influence_nb.widgets.inspector import TokenInspector
    from influence_nb.widgets.lab import SamplingLab
    from influence_nb.widgets.layers import LayerExplorer
    from influence_nb.widgets.library import LibraryPanel
    from influence_nb.widgets.load import LoadPanel
    from influence_nb.widgets.runs import RunBrowser
    from influence_nb.widgets.search import SearchPanel
    from influence_nb.widgets.tokenizer import TokenizerExplorer
    from influence_nb.widgets.tree import TokenTreeView
    from influence_nb.widgets.workbench import Workbench

_HOMES = {
    "ChatPanel": "chat",
    "CompareExplorer": "compare",
    "DownloadPanel": "download",
    "EmbeddingExplorer": "explorer",
    "GridPanel": "grid",
    "LayerExplorer": "layers",
    "LibraryPanel": "library",
    "LoadPanel": "load",
    "RunBrowser": "runs",
    "SamplingLab": "lab",
    "SearchPanel": "search",
    "TokenInspector": "inspector",
    "TokenTreeView": "tree",
    "TokenizerExplorer": "tokenizer",
    "Workbench": "workbench",
}

__all__ = [
    "ChatPanel",
    "CompareExplorer",
    "DownloadPanel",
    "EmbeddingExplorer",
    "GridPanel",
    "LayerExplorer",
    "LibraryPanel",
    "LoadPanel",
    "RunBrowser",
    "SamplingLab",
    "SearchPanel",
    "TokenInspector",
    "TokenTreeView",
    "TokenizerExplorer",
    "Workbench",
]


__getattr__ = lazy(__name__, _HOMES)


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
