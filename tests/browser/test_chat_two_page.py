"""Two answers at once as a person has them: switched on, watched, stopped, chosen from; and one taken up elsewhere."""

from __future__ import annotations

import pytest
from contrast import CONTRAST
from lab import LabServer
from playwright.sync_api import expect
from test_chat_page import FAKES, PIECES, Chat

TWO = f"""
import sys
sys.path.insert(0, {str(FAKES)!r})
from fake_model import FakeModel
from influence_nb.widgets import ChatPanel
other = FakeModel("other", pieces=["One", " two", " **3**", " four", " five"], stepwise=True)
model = FakeModel(pieces={PIECES!r}, stepwise=True)
seen = []
chat = ChatPanel(open_with={{"X-ray": lambda prompt, completion: seen.append(completion.text)}})
chat
"""


@pytest.fixture
def chat(lab: LabServer) -> Chat:
    page = lab.open([TWO])
    page.run_all()
    return Chat(page)


def both(chat: Chat, left: str, right: str) -> None:
    """Wait until the two answers read so."""
    for side, text in enumerate((left, right)):
        body = chat.root.locator(".inb-side").nth(side).locator(".inb-body")
        expect(body).to_have_text(text, use_inner_text=True)


def ask_two(chat: Chat) -> None:
    """Two models answer "Hi" to the end."""
    chat.lab.kernel_eval("[setattr(chat, 'two', True), setattr(chat, 'other_model', 'other')]")
    expect(chat.root.get_by_text("Right other")).to_be_visible()
    chat.say("Hi")
    chat.is_now("running")
    chat.lab.kernel_eval("[model.step(5), other.step(5)]")
    chat.is_now("idle")
    both(chat, "One two three four five", "One two 3 four five")


def test_two_models_answer_beside_each_other_and_one_is_gone_on_with(chat: Chat):
    chat.button("Two at once").click()
    chat.root.get_by_label("Model of the right answer").select_option("other")
    chat.lab.kernel_until("chat.two and chat.other_model == 'other'")
    temperature = chat.root.get_by_role("spinbutton", name="Temperature", exact=True)
    expect(temperature).to_have_value("1.2")
    temperature.fill("0.1")
    temperature.press("Tab")
    chat.lab.kernel_until("chat.other_sampling.temperature == 0.1 and chat.sampling.temperature == 0.7")
    chat.say("Hi")
    chat.is_now("running")
    chat.lab.kernel_eval("[model.step(2), other.step(1)]")
    both(chat, "One two", "One")
    chat.lab.kernel_eval("[model.step(3), other.step(4)]")
    chat.is_now("idle")
    both(chat, "One two three four five", "One two 3 four five")
    expect(chat.root.locator("mark")).to_have_text(["three", "3"])
    expect(chat.root.get_by_text("The first 2 words are the same.")).to_be_visible()
    expect(chat.root.locator(".inb-side").nth(1)).to_contain_text("other · temperature 0.1")
    chat.button("Go on with the right answer").click()
    chat.reads(1, "One two 3 four five")
    expect(chat.root.locator("mark")).to_have_count(0)
    chat.message(1).get_by_role("button", name="Earlier version").click()
    chat.reads(1, "One two three four five")
    assert not chat.lab.errors


def test_keyboard_alone_is_enough_for_two(chat: Chat):
    keyboard = chat.lab.page.keyboard
    chat.button("Two at once").focus()
    keyboard.press("Enter")
    chat.lab.kernel_until("chat.two")
    chat.root.get_by_label("Model of the right answer").focus()
    keyboard.press("ArrowDown")
    chat.lab.kernel_until("chat.other_model == 'other'")
    keyboard.press("Home")
    chat.lab.kernel_until("chat.other_model == ''")
    keyboard.press("Escape")
    chat.box.focus()
    keyboard.type("Hi")
    keyboard.press("Enter")
    chat.is_now("running")
    chat.step(3)
    keyboard.press("Escape")
    chat.lab.kernel_until("all(one.reply.stop.is_set() for one in chat._writing.values())")
    chat.step(2)
    chat.is_now("idle")
    assert (
        chat.lab.kernel_eval("[chat.messages[1]['status'], chat.messages[1]['beside']['status']]")
        == ["cancelled"] * 2
    )
    chat.button("Go on with the left answer").focus()
    keyboard.press("Enter")
    expect(chat.root.locator(".inb-pair")).to_have_count(0)
    expect(chat.box).to_be_focused()


def test_a_reloaded_page_shows_both_so_far_and_goes_on(chat: Chat):
    chat.lab.kernel_eval("[setattr(chat, 'two', True), setattr(chat, 'other_model', 'other')]")
    expect(chat.root.get_by_text("Right other")).to_be_visible()
    chat.say("Hi")
    chat.lab.kernel_until("bool(chat.running)")
    chat.lab.kernel_eval("[model.step(2), other.step(1)]")
    both(chat, "One two", "One")
    chat.lab.save()
    chat.lab.reload()
    both(chat, "One two", "One")
    chat.lab.kernel_eval("[model.step(3), other.step(4)]")
    chat.is_now("idle")
    both(chat, "One two three four five", "One two 3 four five")


def test_a_reader_of_the_notebook_sees_both_with_what_differs_marked(chat: Chat):
    ask_two(chat)
    chat.lab.kernel_until("'mark' in (chat._static_shown or '')")
    read = chat.lab.as_read()
    assert ">three</mark>" in read
    assert ">3</mark>" in read
    assert "the conversation goes on with this one" in read


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_two_stand_beside_each_other_or_below_and_can_be_read(chat: Chat, theme: str):
    chat.lab.theme(theme)
    ask_two(chat)
    assert chat.root.evaluate(CONTRAST) == []
    tops = "root => [...root.querySelectorAll('.inb-side')].map((one) => Math.round(one.getBoundingClientRect().top))"
    left, right = chat.root.evaluate(tops)
    assert left == right
    chat.lab.page.set_viewport_size({"width": 760, "height": 1000})
    chat.lab.page.wait_for_function(
        "() => { const [a, b] = document.querySelectorAll('.inb-side'); "
        "return b.getBoundingClientRect().top >= a.getBoundingClientRect().bottom; }"
    )
    assert chat.root.evaluate("root => root.scrollWidth <= root.clientWidth + 1")


def test_an_answer_is_taken_up_elsewhere(chat: Chat):
    ask_two(chat)
    right = chat.root.locator(".inb-side").nth(1)
    right.get_by_role("button", name="Open this answer in X-ray").click()
    chat.lab.kernel_until("seen == ['One two **3** four five']")
    chat.button("Go on with the left answer").click()
    chat.button("Open this answer in X-ray").click()
    chat.lab.kernel_until("len(seen) == 2")
    assert chat.lab.kernel_eval("seen[1]") == "One two **three** four five"


STARTER = """
import influence_nb as inb
chat = inb.widgets.ChatPanel(model=inb.load(dtype="float32"), sampling=inb.Sampling(max_new_tokens=12))
chat.compare("Name a colour.", temperature=1.5)
chat
"""


@pytest.mark.starter
def test_the_starter_writes_both_in_one_batch(lab: LabServer):
    page = lab.open([STARTER])
    page.run_all()
    chat = Chat(page)
    chat.is_now("idle")
    chat.lab.kernel_until("chat.messages and not chat.running")
    shown = [side.inner_text() for side in chat.root.locator(".inb-side .inb-body").all()]
    assert all(shown)
    facts = chat.root.locator(".inb-side .inb-tools .inb-meta")
    expect(facts.first).to_contain_text("tok/s")
    ids = "[chat.messages[1]['id'], chat.messages[1]['beside']['id']]"
    shape = f"[chat._completions[id].receipt.batch_shape[0] for id in {ids}]"
    assert chat.lab.kernel_eval(shape) == [2, 2]
