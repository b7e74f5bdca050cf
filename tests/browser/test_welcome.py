"""The welcome notebook as a person takes it: run all, then talk in the Workbench and press Stop."""

from __future__ import annotations

from pathlib import Path

import pytest
from lab import LabServer
from playwright.sync_api import Page, expect

WELCOME = Path(__file__).parents[2] / "notebooks" / "00_welcome.ipynb"
LONG = {"max_new_tokens": 400, "min_new_tokens": 400, "seed": 1}


@pytest.mark.starter
def test_run_it_then_send_a_message_see_text_grow_and_stop_it(lab: LabServer):
    lab_page = lab.open(WELCOME, "00_welcome.ipynb")
    lab_page.run_all()
    outputs = [output for cell in lab_page.save()["cells"] for output in cell.get("outputs", [])]
    assert [output for output in outputs if output.output_type == "error"] == []
    assert lab_page.kernel_eval("[message['role'] for message in bench.chat.messages]") == [
        "user",
        "assistant",
    ]

    lab_page.kernel_eval(f"setattr(bench.chat, 'sampling', {LONG})")
    page: Page = lab_page.page
    page.get_by_role("tab", name="Chat").first.click()
    chat = page.locator(".inb-chat").first
    before = lab_page.kernel_eval("lm.forwards")
    chat.get_by_role("textbox", name="Message", exact=True).fill("Tell me a long story about a lighthouse.")
    page.keyboard.press("Enter")
    answer = chat.locator("article.inb-message").nth(3).locator(".inb-body")
    page.wait_for_function("e => e.innerText.trim().length > 3", arg=answer.element_handle())
    first = answer.inner_text()
    page.wait_for_function(
        "([e, n]) => e.innerText.length > n", arg=[answer.element_handle(), len(first) + 10]
    )

    chat.get_by_role("button", name="Stop", exact=True).click()
    expect(chat).to_have_attribute("data-status", "idle")
    passes = lab_page.kernel_eval("lm.forwards")
    completion_tokens = lab_page.kernel_eval("bench.chat.messages[-1]['stats']['tokens']")
    assert lab_page.kernel_eval("bench.chat.messages[-1]['status']") == "cancelled"
    assert 0 < completion_tokens < 400
    assert passes - before == completion_tokens, "one forward pass a token, none after the stop was seen"
    assert lab_page.kernel_eval("lm.forwards") == passes
    assert answer.inner_text().startswith(first[:10])
    assert lab_page.errors == []
