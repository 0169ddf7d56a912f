"""The rating input alone, without a server: every value of a scale can be given by mouse, by touch and by keyboard."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page

from engine.data.scale import STARS, RatingScale
from pages.ui import rating_input

pytestmark = pytest.mark.browser

ASSETS = Path(rating_input.__file__).parent / "assets"
ROW = '<span class="end"></span><div class="input" role="slider" tabindex="0"></div><span class="end"></span>'
HTML = f'<div id="root"><div class="row">{ROW}<span class="value"></span></div></div>'
LAYOUT = "#root { width: 420px } .input { width: 200px; flex: none !important; display: inline-flex }"
MOUNT = """async ([source, data]) => {
  const { default: mount } = await import("data:text/javascript;base64," + btoa(unescape(encodeURIComponent(source))));
  window.sent ??= [];
  const parentElement = document.querySelector("#root");
  mount({ data, parentElement, setTriggerValue: (name, value) => window.sent.push(value) });
}"""
TEN, HUNDRED, JESTER = RatingScale(1, 10, 1), RatingScale(0, 100, 1), RatingScale(-10, 10, 0.01)


@pytest.fixture
def blank(chromium: Browser) -> Iterator[Page]:
    page = chromium.new_page()
    show(page)
    yield page
    page.close()


def show(page: Page) -> None:
    page.set_content(HTML)
    page.add_style_tag(content=(ASSETS / "rating_input.css").read_text("utf-8") + LAYOUT)


def mount(page: Page, scale: RatingScale, value: float | None = None) -> None:
    """Show the input, as Streamlit does at first and whenever something changes."""
    data = {"label": "Rate it", "value": value, "invitation": "Rate it"} | rating_input.shape(scale)
    page.evaluate(MOUNT, [(ASSETS / "rating_input.js").read_text("utf-8"), data])


def sent(page: Page) -> list[float]:
    found: list[float] = json.loads(page.evaluate("JSON.stringify(window.sent)"))
    return found


@pytest.mark.parametrize(
    ("scale", "places", "ratings"),
    [
        (STARS, (0.01, 0.88, 0.99), [0.5, 4.5, 5]),
        (RatingScale(1, 5, 1), (0.01, 0.25, 0.99), [1, 2, 5]),
        (TEN, [0.05 + n / 10 for n in range(10)], [1, 2, 3, 4, 5, 6, 7, 8, 9, 10]),
        (RatingScale(0, 1, 1), (0.2, 0.8), [0, 1]),
        (RatingScale(1, 5, 3), (0.2, 0.5, 0.9), [1, 4, 5]),
        (RatingScale(-5, 5, 1), (0.01, 0.5, 0.99), [-5, 0, 5]),
        (HUNDRED, (0, 0.25, 0.5, 0.995), [0, 25, 50, 100]),
        (JESTER, (0, 0.125, 0.5, 0.75), [-10, -7.5, 0, 5]),
    ],
)
def test_every_place_is_a_rating(
    blank: Page, scale: RatingScale, places: tuple[float, ...], ratings: list[float]
) -> None:
    mount(blank, scale)
    for place in places:
        blank.locator(".input").click(position={"x": 200 * place, "y": 10})
    assert sent(blank) == pytest.approx(ratings, abs=scale.step / 2 + (scale.high - scale.low) / 200)
    assert sent(blank) == [scale.snap(rating) for rating in sent(blank)]


@pytest.mark.parametrize(
    ("scale", "keys", "rating", "spoken"),
    [
        (STARS, ["End", "ArrowLeft"], 4.5, "4.5 of 5"),
        (STARS, ["ArrowRight", "ArrowRight"], 3, "3 of 5"),
        (TEN, ["Home", "ArrowUp", "ArrowUp"], 3, "3 of 10"),
        (TEN, ["End", "ArrowRight"], 10, "10 of 10"),
        (HUNDRED, ["End", "PageDown", "ArrowDown"], 89, "89 of 100"),
        (JESTER, ["Home", "PageUp", "ArrowRight"], -7.99, "-7.99, from -10 to 10"),
    ],
)
def test_the_keyboard_reaches_every_value(
    blank: Page, scale: RatingScale, keys: list[str], rating: float, spoken: str
) -> None:
    mount(blank, scale)
    slider = blank.get_by_role("slider", name="Rate it")
    assert slider.get_attribute("aria-valuetext") == "not rated"
    slider.focus()
    slider.press("Enter")  # nothing is chosen yet
    for key in keys:
        slider.press(key)
    assert slider.get_attribute("aria-valuetext") == spoken
    assert sent(blank) == []
    slider.press("Enter")
    assert sent(blank) == [rating]


def test_a_slider_can_be_dragged_and_gives_one_rating(blank: Page) -> None:
    mount(blank, HUNDRED)
    box = blank.locator(".input").bounding_box()
    assert box is not None
    blank.mouse.move(box["x"] + 20, box["y"] + 10)
    blank.mouse.down()
    blank.mouse.move(box["x"] + 120, box["y"] + 10)
    assert blank.locator(".value").inner_text() == "60"
    assert sent(blank) == []
    blank.mouse.move(box["x"] + 500, box["y"] + 300)  # far outside
    blank.mouse.up()
    assert sent(blank) == [100]


@pytest.mark.parametrize(("scale", "rating"), [(HUNDRED, 75), (STARS, None), (TEN, None)])
def test_a_finger_drags_a_slider_and_scrolls_over_the_others(
    chromium: Browser, scale: RatingScale, rating: float | None
) -> None:
    page = chromium.new_page(has_touch=True)
    show(page)
    mount(page, scale)
    box = page.locator(".input").bounding_box()
    assert box is not None
    touch = page.context.new_cdp_session(page)
    for kind, places in (("touchStart", [0.2]), ("touchMove", [0.5]), ("touchMove", [0.75]), ("touchEnd", [])):
        points = [{"x": box["x"] + 200 * place, "y": box["y"] + 10} for place in places]
        touch.send("Input.dispatchTouchEvent", {"type": kind, "touchPoints": points})
    assert sent(page) == ([] if rating is None else [rating])
    page.locator(".input").tap(position={"x": 100, "y": 10})
    assert len(sent(page)) == (1 if rating is None else 2)
    page.close()


def test_a_slider_without_a_rating_shows_none(blank: Page) -> None:
    mount(blank, HUNDRED)
    assert not blank.locator(".thumb").is_visible()
    assert [end.inner_text() for end in blank.locator(".end").all()] == ["0", "100"]
    mount(blank, HUNDRED, 30)
    assert blank.locator(".thumb").is_visible()
    assert blank.locator(".value").inner_text() == "30"


def test_a_rating_between_two_steps_is_shown_as_it_is(blank: Page) -> None:
    mount(blank, TEN, 3.25)
    assert blank.locator(".value").inner_text() == "3.25"
    assert blank.locator(".choice.on").inner_text() == "3"


def test_another_scale_redraws_the_input(blank: Page) -> None:
    mount(blank, STARS, 4)
    assert blank.locator(".star").count() == 5
    mount(blank, TEN)
    assert (blank.locator(".star").count(), blank.locator(".choice").count()) == (0, 10)
    mount(blank, JESTER)
    assert (blank.locator(".choice").count(), blank.locator(".track").count()) == (0, 1)
    mount(blank, STARS)
    assert [end.inner_text() for end in blank.locator(".end").all()] == ["", ""]
