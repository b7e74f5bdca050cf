"""A model on a server, as a person comes to it: connected in the load panel, talked to in the chat."""

from __future__ import annotations

from pathlib import Path

from lab import LabServer
from playwright.sync_api import expect

ROOT = Path(__file__).parents[2]
BENCH = f"""
import sys
sys.path.insert(0, {str(ROOT)!r})
from tests.chat_server import ChatServer
server = ChatServer().__enter__()
server.models = [{{"id": "one"}}, {{"id": "two"}}]
from influence_nb.widgets import ChatPanel, LoadPanel
loader = LoadPanel()
loader
"""
CHAT = """
chat = ChatPanel()
chat
"""
expect.set_options(timeout=120_000)


def test_connect_choose_talk_and_see_a_server_die(lab: LabServer):
    page = lab.open([BENCH, CHAT])
    page.run_all()
    form, chat = page.page.locator(".inb-load").first, page.page.locator(".inb-chat").first
    form.get_by_label("Or a server's address", exact=True).fill(page.kernel_eval("server.url"))
    form.get_by_role("button", name="Connect", exact=True).click()
    expect(form.get_by_role("alert")).to_contain_text("It has 'one', 'two'.")
    form.get_by_label("Its model", exact=True).fill("two")
    form.get_by_role("button", name="Connect", exact=True).click()
    expect(form.locator(".inb-loaded")).to_contain_text("two: on the server 127.0.0.1:")

    box = chat.get_by_role("textbox", name="Message", exact=True)
    send = chat.get_by_role("button", name="Send", exact=True)
    box.fill("Hi")
    send.click()
    body = chat.locator("article.inb-message").nth(1).locator(".inb-body").first
    expect(body).to_have_text("Hello there.", use_inner_text=True)
    page.kernel_eval("server.faults.append(lambda handler: handler.some(2) or handler.reset())")
    box.fill("And?")
    send.click()
    answer = chat.locator("article.inb-message").nth(3)
    expect(answer).to_contain_text("The answer stopped after 2 tokens.")
    expect(answer.locator(".inb-body").first).to_have_text("Hello there", use_inner_text=True)
