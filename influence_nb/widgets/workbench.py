"""`Workbench`: every panel over one shared state, in tabs.

It knows which panels there are and nothing of how they work.
"""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Future
from typing import TYPE_CHECKING, Any

import ipywidgets

from influence_nb.widgets.base import StaticFallback, in_background, readable, static_block, strict
from influence_nb.widgets.chat import ChatPanel
from influence_nb.widgets.download import DownloadPanel
from influence_nb.widgets.form import STYLE, message, page_button
from influence_nb.widgets.lab import SamplingLab
from influence_nb.widgets.library import LibraryPanel
from influence_nb.widgets.load import LoadPanel
from influence_nb.widgets.runs import RunBrowser
from influence_nb.widgets.search import SearchPanel
from influence_nb.widgets.state import State
from influence_nb.widgets.tokenizer import TokenizerExplorer

if TYPE_CHECKING:
    from influence_nb.engine.completion import Completion
    from influence_nb.engine.prompts import Prompt
    from influence_nb.widgets.explorer import EmbeddingExplorer

ABOUT = (
    "A map of a few hundred short texts in a dozen topics, embedded on this machine: texts that mean similar "
    "things lie near each other."
)


class EmbeddingsTab(ipywidgets.VBox):
    """Opens an `EmbeddingExplorer` on the built-in corpus when asked, since that takes some seconds."""

    def __init__(self) -> None:
        self.explorer: EmbeddingExplorer | None = None
        self._button = page_button(
            "Map the built-in corpus", "Embed the texts and draw them", self.map_corpus, "primary"
        )
        self._button.layout = {"width": "auto", "align_self": "flex-start"}
        self._bar = ipywidgets.FloatProgress(min=0, max=1, layout={"width": "100%", "visibility": "hidden"})
        self._message = ipywidgets.HTML(message(ABOUT))
        super().__init__([ipywidgets.HTML(STYLE), self._message, self._button, self._bar])
        self.add_class("inb-form")

    def map_corpus(self) -> Future[EmbeddingExplorer]:
        """Embed the corpus in the background, then show the explorer in place of the button."""
        self._button.disabled = True
        self._bar.layout.visibility = "visible"
        self._message.value = message("Embedding the texts and laying them out.")
        return in_background(self._open)

    def _open(self) -> EmbeddingExplorer:
        from influence_nb.embeddings.corpus import corpus
        from influence_nb.embeddings.map import EmbeddingMap
        from influence_nb.widgets.explorer import EmbeddingExplorer

        try:
            explorer = EmbeddingExplorer(EmbeddingMap(corpus(), on_progress=self._progress))
        except Exception as error:
            said = readable(error)
            self._message.value = message(said.message, said.hint, "problem")
            self._button.disabled = False
            self._bar.layout.visibility = "hidden"
            raise said from error
        self.explorer = explorer
        self.children = [explorer]
        return explorer

    def _progress(self, done: int, total: int) -> None:
        self._bar.value = 0.8 * done / max(total, 1)  # the rest is the layout, which tells no progress


class Workbench(StaticFallback, ipywidgets.Tab):
    """All panels in tabs: Search, Download, Library, Load, Chat, Sampling, Tokens, Embeddings and Runs.

    What is found, fetched or loaded in one is there in the others. It opens at Load; a model that is to be planned
    brings the Download tab to the front, a text of the sampling lab that is to be gone on with the Chat, and an answer
    that is to be looked at the lab.

    Attributes:
        state: the selected model, the loaded ones, and the one wanted from the Hub.
        search, download, library, load, chat, sampling, tokens, embeddings, runs: the panels.

    Raises:
        TypeError: an unknown keyword.
    """

    @strict
    def __init__(self) -> None:
        self.state = State()
        self.search = SearchPanel(state=self.state)
        self.download = DownloadPanel(state=self.state)
        self.library = LibraryPanel(state=self.state)
        self.load = LoadPanel(state=self.state)
        self.sampling = SamplingLab(adopt=self._adopt, state=self.state)
        looks = {name: self._in_the_lab(look) for name, look in self.sampling.opens.items()}
        self.chat = ChatPanel(open_with=looks, state=self.state)
        self.tokens = TokenizerExplorer(state=self.state)
        self.embeddings = EmbeddingsTab()
        self.runs = RunBrowser(state=self.state)
        tabs = {
            "Search": self.search,
            "Download": self.download,
            "Library": self.library,
            "Load": self.load,
            "Chat": self.chat,
            "Sampling": self.sampling,
            "Tokens": self.tokens,
            "Embeddings": self.embeddings,
            "Runs": self.runs,
        }
        super().__init__(list(tabs.values()), titles=list(tabs), selected_index=list(tabs).index("Load"))
        self.add_class("inb-workbench")
        self.add_class("live")
        self.state.observe(self._wanted, "wanted")
        self.observe(self._brought_to_front, "selected_index")
        for panel in (self.load, self.chat, self.sampling):
            panel.on_static_change(self.update_static)

    def static_html(self) -> str:
        """What the workbench is, and what the chat and the lab hold, for a reader without a kernel."""
        about = (
            "<p>Panels to find, fetch and load models, chat with them, take their choices apart and map embeddings. "
            "Run the notebook to use them.</p>"
        )
        lab = self.sampling.static_html() if self.sampling.used else ""
        return static_block("Workbench", about) + self.load.static_html() + self.chat.static_html() + lab

    def _adopt(self, prompt: Prompt, completion: Completion) -> None:
        self.chat.adopt(prompt, completion)
        self.selected_index = self.titles.index("Chat")

    def _in_the_lab(
        self, look: Callable[[Prompt, Completion], object]
    ) -> Callable[[Prompt, Completion], None]:
        def opened(prompt: Prompt, completion: Completion) -> None:
            look(prompt, completion)
            self.selected_index = self.titles.index("Sampling")

        return opened

    def _brought_to_front(self, change: dict[str, Any]) -> None:
        if change["new"] == self.titles.index("Runs"):
            self.runs.refresh()  # a cell may have made some since

    def _wanted(self, change: dict[str, Any]) -> None:
        if change["new"]:
            self.selected_index = self.titles.index("Download")
            self.download.focus()  # what was pressed is in a tab that is hidden now
