"""ChatPanel as a person uses it: typed, clicked and read in a real JupyterLab.

The models here are fakes that step when a test lets them, so that "while it streams" is a fact, not a race; the
last test talks to the starter model.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from lab import LabPage, LabServer
from playwright.sync_api import Locator, expect

FAKES = Path(__file__).parents[1] / "widgets"
PIECES = ["One", " two", " **three**", " four", " five"]
CHAT = f"""
import sys
sys.path.insert(0, {str(FAKES)!r})
from fake_model import FakeModel
from influence_nb.errors import ContextTooLong
from influence_nb.widgets import ChatPanel
model = FakeModel(pieces={PIECES!r}, stepwise=True)
chat = ChatPanel()
chat
"""
expect.set_options(timeout=120_000)


@pytest.fixture
def chat(lab: LabServer) -> Chat:
    page = lab.open([CHAT])
    page.run_all()
    return Chat(page)


class Chat:
    """What a test reads and presses in a ChatPanel."""

    def __init__(self, lab_page: LabPage) -> None:
        self.lab = lab_page
        self.root: Locator = lab_page.page.locator(".inb-chat").first

    def button(self, name: str) -> Locator:
        return self.root.get_by_role("button", name=name, exact=True).last

    @property
    def box(self) -> Locator:
        return self.root.get_by_role("textbox", name="Message", exact=True)

    def message(self, index: int) -> Locator:
        return self.root.locator("article.inb-message").nth(index)

    def reads(self, index: int, text: str) -> None:
        """Wait until message `index` reads `text`."""
        expect(self.message(index).locator(".inb-body").first).to_have_text(text, use_inner_text=True)

    def is_now(self, status: str) -> None:
        expect(self.root).to_have_attribute("data-status", status)

    def say(self, text: str) -> None:
        self.box.fill(text)
        self.button("Send").click()

    def step(self, count: int = 1) -> None:
        self.lab.kernel_eval(f"model.step({count})")

    def ask(self, text: str) -> None:
        """Send `text` and let the fake answer to the end."""
        self.say(text)
        self.is_now("running")
        self.step(len(PIECES))
        self.is_now("idle")


def test_text_grows_and_stop_stops_the_model(chat: Chat):
    chat.say("Hi")
    chat.is_now("running")
    chat.step()
    chat.reads(1, "One")
    chat.step(2)
    chat.reads(1, "One two three")
    chat.button("Stop").click()
    chat.lab.kernel_until("all(one.reply.stop.is_set() for one in chat._writing.values())")
    chat.step(2)
    chat.is_now("idle")
    expect(chat.message(1)).to_have_attribute("data-status", "cancelled")
    chat.reads(1, "One two three")
    assert chat.lab.kernel_eval("chat.messages[-1]['content']") == "One two **three**"
    assert not chat.lab.errors


def test_an_answer_is_regenerated_and_edited_and_every_version_stays(chat: Chat):
    chat.ask("Hi")
    chat.lab.kernel_eval("setattr(model, 'pieces', ['Other'])")
    chat.button("Regenerate").click()
    chat.is_now("running")
    chat.step()
    chat.reads(1, "Other")
    chat.is_now("idle")
    chat.message(1).hover()
    chat.message(1).get_by_role("button", name="Earlier version").click()
    chat.reads(1, "One two three four five")
    chat.message(1).get_by_role("button", name="Later version").click()
    chat.reads(1, "Other")
    chat.message(0).hover()
    chat.message(0).get_by_role("button", name="Edit", exact=True).click()
    editor = chat.message(0).get_by_role("textbox")
    editor.fill("Good day")
    editor.press("Control+Enter")
    chat.lab.kernel_until("bool(chat.running)")
    chat.step()
    chat.reads(0, "Good day")
    chat.is_now("idle")
    chat.message(0).get_by_role("button", name="Earlier version").click()
    chat.reads(0, "Hi")
    chat.reads(1, "Other")
    assert chat.lab.kernel_eval("[m['versions'] for m in chat.messages]") == [2, 2]


def test_a_setting_reaches_python_and_an_impossible_one_does_not(chat: Chat):
    chat.button("Settings").click()
    temperature = chat.root.get_by_role("spinbutton", name="Temperature", exact=True)
    temperature.fill("0.2")
    temperature.press("Tab")
    chat.lab.kernel_until("chat.sampling.temperature == 0.2")
    temperature.fill("-1")
    temperature.press("Tab")
    expect(chat.root.get_by_text("at least 0").first).to_be_visible()
    assert chat.lab.kernel_eval("chat.sampling.temperature") == 0.2
    chat.root.get_by_label("System prompt").fill("Be kind.")
    chat.lab.kernel_until("chat.system == 'Be kind.'")


def test_a_reloaded_page_and_a_second_view_show_the_text_so_far_and_go_on(chat: Chat):
    chat.say("Hi")
    chat.step(2)
    chat.reads(1, "One two")
    chat.lab.save()
    chat.lab.reload()
    chat.reads(1, "One two")
    chat.is_now("running")
    chat.step()
    chat.reads(1, "One two three")
    chat.lab.page.evaluate("() => jupyterapp.commands.execute('notebook:insert-cell-below')")
    chat.lab.page.evaluate(
        "() => jupyterapp.shell.currentWidget.content.activeCell.model.sharedModel.setSource('chat')"
    )
    chat.lab.run_cell(1)
    second = chat.lab.page.locator(".inb-chat").nth(1)
    expect(second.locator("article.inb-message").nth(1)).to_contain_text("One two three")
    chat.step(2)
    chat.reads(1, "One two three four five")
    expect(second.locator("article.inb-message").nth(1)).to_contain_text("One two three four five")
    chat.is_now("idle")
    expect(second).to_have_attribute("data-status", "idle")


def test_a_failure_is_readable_and_the_chat_goes_on(chat: Chat):
    chat.lab.kernel_eval("setattr(model, 'fault', ContextTooLong('It is 90 of 64 tokens.', 'Shorten it.'))")
    chat.say("Hi")
    chat.step()
    expect(chat.message(1)).to_have_attribute("data-status", "error")
    expect(chat.message(1)).to_contain_text("It is 90 of 64 tokens.")
    expect(chat.message(1)).to_contain_text("Shorten it.")
    chat.reads(0, "Hi")
    chat.lab.kernel_eval("setattr(model, 'fault', None)")
    chat.ask("Again")
    chat.reads(3, "One two three four five")


def test_without_a_model_it_says_so_and_takes_up_the_next_one(chat: Chat):
    chat.ask("Hi")
    chat.lab.kernel_eval("model.unload()")
    chat.is_now("no-model")
    chat.reads(1, "One two three four five")
    expect(chat.button("Send")).to_be_disabled()
    chat.lab.kernel_eval("FakeModel('next', pieces=['Here'])")
    chat.is_now("idle")
    chat.say("More")
    chat.reads(3, "Here")


def test_keyboard_alone_is_enough(chat: Chat):
    keyboard = chat.lab.page.keyboard
    chat.box.focus()
    keyboard.type("Hi")
    keyboard.press("Enter")
    chat.is_now("running")
    chat.step()
    chat.reads(1, "One")
    keyboard.press("Escape")
    chat.lab.kernel_until("all(one.reply.stop.is_set() for one in chat._writing.values())")
    chat.step()
    chat.is_now("idle")
    reached = set()
    for _ in range(30):
        keyboard.press("Tab")
        reached.add(chat.lab.page.evaluate("document.activeElement.getAttribute('aria-label') || ''"))
    assert {"Settings", "What was sent", "Save", "Load", "Clear"} & reached or {"Copy", "Edit"} & reached


def test_after_a_restart_of_the_kernel_the_text_stays_and_the_panel_says_what_to_do(chat: Chat):
    chat.ask("Hi")
    chat.lab.page.evaluate(
        "async () => { await window.jupyterapp.shell.currentWidget.sessionContext.session.kernel.restart(); }"
    )
    chat.box.fill("And now?")
    chat.box.press("Enter")
    expect(chat.root.get_by_role("alert")).to_contain_text("Run the cell again.")
    expect(chat.box).to_have_value("And now?")


def test_what_was_sent_and_saving_and_loading(chat: Chat, tmp_path: Path):
    chat.ask("Hi")
    chat.button("What was sent").click()
    expect(chat.root).to_contain_text("<user> Hi")
    chat.lab.page.keyboard.press("Escape")
    with chat.lab.page.expect_download() as download:
        chat.button("Save").click()
    saved = tmp_path / "chat.json"
    download.value.save_as(saved)
    chat.lab.kernel_eval("chat.clear()")
    expect(chat.root.locator("article.inb-message")).to_have_count(0)
    with chat.lab.page.expect_file_chooser() as chooser:
        chat.button("Load").click()
    chooser.value.set_files(saved)
    chat.reads(1, "One two three four five")
    chat.button("Load").click()
    with chat.lab.page.expect_file_chooser():  # there is a conversation now: it asks first
        chat.button("Confirm").click()


def test_the_static_rendering_waits_hidden_beside_the_live_view(chat: Chat):
    chat.ask("Hi")
    chat.lab.kernel_until("chat.running == ''")
    static = chat.lab.page.locator(".inb-static")
    expect(static).to_be_hidden()
    expect(static).to_contain_text("One two **three** four five")
    assert any(
        "five" in output["data"].get("text/html", "") for output in chat.lab.save()["cells"][0]["outputs"]
    )


STARTER = """
import influence_nb as inb
from influence_nb.widgets import ChatPanel
model = inb.load()
chat = ChatPanel(model=model)
chat
"""


@pytest.mark.starter
def test_stop_reaches_the_starter_model_while_a_cell_waits_for_it(lab: LabServer):
    ask = 'reply = chat.send("Tell me a very long story.", max_new_tokens=2000, min_new_tokens=1900)'
    page = lab.open([STARTER, f"{ask}\nended = reply.result().finish_reason\nseen = model.forwards\nended"])
    page.run_cell(0)
    chat = Chat(page)
    page.run_cell(1, wait=False)
    body = chat.message(1).locator(".inb-body").first
    expect(body).not_to_be_empty()
    before: Any = body.inner_text()
    expect(body).not_to_have_text(before, use_inner_text=True)
    chat.button("Stop").click()
    chat.is_now("idle")
    assert page.kernel_eval("ended") == "cancelled"
    assert page.kernel_eval("model.forwards") == page.kernel_eval("seen")
    assert page.kernel_eval("seen") < 1900
    assert page.kernel_eval("model.forwards") == page.kernel_eval("seen")
