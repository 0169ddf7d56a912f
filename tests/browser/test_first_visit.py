"""A first visit: the demo is trained; lists, reasons and stars work."""

from __future__ import annotations

import re
from itertools import pairwise

import pytest
from playwright.sync_api import Page, expect

from pages.ui.escape import JOINER
from tests.browser.console import broken, get, settled
from tests.pages.fakes import TRICKY

pytestmark = [pytest.mark.browser, pytest.mark.slow]

PAGES = {
    "": "Overview",
    "imports": "Import",
    "data": "Data",
    "catalogue": "Catalogue",
    "movie": "Movie",
    "person": "Person",
    "recommend?user=1": "Recommend",
    "newcomer?user=somebody": "Newcomer",
    "training": "Training",
    "tuning": "Tuning",
    "versions": "Versions",
    "live": "Live",
    "automation": "Automation",
    "notices": "Notices",
    "keys": "Keys",
    "settings": "Settings",
}
TITLES = ".mq-tile :is(h2, h3)"
# Keeps, by question, each place that the skip button has had in a frame.
PLACES = """() => {
  window.places = {}
  const look = () => {
    const box = document.querySelector(".mq-tile")?.closest('[data-testid="stVerticalBlock"]')
    const skip = box && [...box.querySelectorAll("button")].at(-1)
    if (skip) {
      const caption = box.querySelector('[data-testid="stCaptionContainer"]')
      const asked = box.querySelector(".mq-tile").innerText + caption?.innerText
      const tops = (places[asked] ??= [])
      const top = Math.round(skip.getBoundingClientRect().top + scrollY)
      if (!tops.includes(top)) tops.push(top)
    }
    requestAnimationFrame(look)
  }
  look()
}"""


def test_a_rating_changes_the_list(page: Page, marquee: str) -> None:
    before = get(marquee, "/api/ml/recommendations/1?n=12")
    assert before is not None
    assert before["status"] == "personal"
    page.goto(marquee)
    page.get_by_role("link", name="Recommend", exact=True).click()
    page.get_by_role("combobox", name="Person").fill("1")
    page.get_by_role("option", name=re.compile(r"^1 · \d+ ratings")).click()
    expect(page.get_by_role("heading", name="Person 1")).to_be_visible()
    titles = page.locator(TITLES)
    expect(titles).to_have_count(12)
    shown = titles.all_inner_texts()
    assert shown == [item["title"] for item in before["items"]]

    page.get_by_text("Why this movie?").first.click()
    dialog = page.get_by_role("dialog")
    expect(dialog.get_by_text("you would probably give it")).to_be_visible()
    chart = dialog.get_by_test_id("stVegaLiteChart").first
    expect(chart.locator("svg")).to_be_visible()
    expect(chart).to_have_attribute("aria-label", re.compile("parts of the score"))
    dialog.get_by_text("Details").click()
    expect(dialog.get_by_role("tab")).to_have_text(["Rank", "Rating", "Movies", "Genres", "People"])
    page.keyboard.press("Escape")
    expect(dialog).to_have_count(0)

    star = page.get_by_role("slider", name=f"Rate {shown[0]}", exact=True)
    box = star.bounding_box()
    assert box is not None
    star.click(position={"x": box["width"] * 0.88, "y": box["height"] / 2})
    expect(page.get_by_test_id("stToast")).to_contain_text("4.5. Expected rating")
    expect(titles.first).not_to_have_text(shown[0])
    assert shown[0] not in titles.all_inner_texts()

    after = get(marquee, "/api/ml/recommendations/1?n=12")
    assert after is not None
    assert after["ratings_count"] == before["ratings_count"] + 1
    assert titles.all_inner_texts() == [item["title"] for item in after["items"]]
    page.get_by_role("tab", name="Ratings").click()
    expect(page.get_by_test_id("stDataFrame").first).to_be_visible()
    assert broken(page) == 0


def test_anybody_is_found_by_typing_and_only_new_ids_are_called_new(page: Page, marquee: str) -> None:
    page.goto(f"{marquee}/recommend")
    person, found = page.get_by_role("combobox", name="Person"), page.get_by_role("option")
    person.fill("42")
    expect(found.first).to_have_text(re.compile(r"^42\s*· 70 ratings$"))
    expect(page.get_by_role("option", name="New person")).to_have_count(0)
    person.fill("671")  # one of the last
    expect(found).to_have_count(1)
    expect(found).to_have_text(re.compile(r"^671\s*· \d+ ratings$"))
    person.fill("Maria")
    expect(found).to_have_text("New person: Maria")
    person.press("ArrowDown")
    person.press("Enter")
    expect(page.get_by_role("heading", name="Person Maria")).to_be_visible()
    expect(page).to_have_url(re.compile("user=Maria"))
    assert broken(page) == 0


def test_the_first_stars_are_above_the_fold_and_the_first_card_near_the_top_of_a_phone(
    page: Page, marquee: str
) -> None:
    for width, height, part, lowest in ((1440, 900, "[role=slider]", 900), (390, 844, ".mq-tile", 422)):
        page.set_viewport_size({"width": width, "height": height})
        page.goto(f"{marquee}/recommend?user=42")
        settled(page)
        box = page.locator(part).first.bounding_box()
        assert box is not None
        assert box["y"] + (box["height"] if width > height else 0) < lowest


def test_a_rating_is_undone_beside_its_stars(page: Page, marquee: str) -> None:
    before = get(marquee, "/api/ml/recommendations/5?n=12")
    assert before is not None
    page.goto(f"{marquee}/recommend?user=5")
    titles = page.locator(TITLES)
    first = titles.first.inner_text()
    star = page.get_by_role("slider", name=f"Rate {first}", exact=True)
    star.focus()
    star.press("End")
    star.press("Enter")
    expect(page.get_by_role("slider", name=f"Rate {first} again")).to_have_attribute("aria-valuetext", "5 of 5")
    page.get_by_role("button", name="Undo").click()
    expect(titles.first).to_have_text(first)
    after = get(marquee, "/api/ml/recommendations/5?n=12")
    assert after is not None
    for name in ("movie_id", "score", "rated"):
        assert [item[name] for item in after["items"]] == [item[name] for item in before["items"]]
    predicted, earlier = ([item["predicted_rating"] for item in items["items"]] for items in (after, before))
    assert predicted == pytest.approx(earlier, abs=1e-5)  # folding in again rounds differently


def test_stars_can_be_given_with_the_keyboard(page: Page, marquee: str) -> None:
    page.goto(f"{marquee}/recommend?user=2")
    first = page.locator(TITLES).first.inner_text()
    star = page.get_by_role("slider", name=f"Rate {first}", exact=True)
    expect(star).to_have_attribute("aria-valuetext", "not rated")
    star.focus()
    star.press("End")
    star.press("ArrowLeft")
    expect(star).to_have_attribute("aria-valuetext", "4.5 of 5")
    star.press("Enter")
    expect(page.get_by_test_id("stToast")).to_contain_text("4.5. Expected rating")
    assert first not in page.locator(TITLES).all_inner_texts()


def test_the_address_names_the_user(page: Page, marquee: str) -> None:
    page.goto(f"{marquee}/recommend?user=3")
    expect(page.get_by_role("heading", name="Person 3")).to_be_visible()
    user = page.get_by_role("combobox", name="Person")
    user.fill("somebody new")
    user.press("Enter")
    expect(page.locator(".stMarkdownBadge", has_text="New person")).to_be_visible()
    expect(page).to_have_url(re.compile(r"user=somebody(\+|%20)new"))
    expect(page.locator(TITLES)).to_have_count(12)


def test_a_newcomer_gets_a_personal_list(page: Page, marquee: str) -> None:
    """Ten answers by keyboard, two skipped movies and an undone rating."""
    page.goto(f"{marquee}/newcomer")
    user = page.get_by_role("combobox", name="Person")
    user.fill("film fan")
    user.press("Enter")
    expect(page.locator(".stMarkdownBadge", has_text="New person")).to_be_visible()
    expect(page.get_by_text("0% of your taste known")).to_be_visible()
    question = page.locator(TITLES)
    page.evaluate(PLACES)
    for answer in range(1, 11):
        asked = question.inner_text()
        if answer in (2, 5):
            page.get_by_role("button", name="I don't know it").click()
            expect(question).not_to_have_text(asked)
            asked = question.inner_text()
        star = page.get_by_role("slider", name=f"Rate {asked}", exact=True)
        star.focus()
        star.press("End")
        star.press("Enter")
        expect(question).not_to_have_text(asked)
        count = "1 rating" if answer == 1 else f"{answer} ratings"
        expect(page.get_by_text(f"of your taste known from {count}", exact=False)).to_be_visible()
    places = page.evaluate("places")
    assert len(places) >= 10
    assert {title: tops for title, tops in places.items() if len(tops) > 1} == {}  # a click on a moving button is lost
    expect(page.get_by_text("Ordered by what 10 ratings say about their taste")).to_be_visible()
    page.get_by_role("button", name="Undo last rating").click()
    expect(page.get_by_text("from 9 ratings")).to_be_visible()
    expect(page.get_by_text("90% of the list's order comes from them")).to_be_visible()
    page.get_by_role("link", name="Open full list").click()
    expect(page.get_by_role("heading", name="Person film fan")).to_be_visible()
    expect(question).to_have_count(12)
    known = get(marquee, "/api/ml/recommendations/film%20fan")
    assert known is not None
    assert (known["status"], known["ratings_count"]) == ("blended", 9)
    assert broken(page) == 0


def test_what_if_does_not_save_ratings(page: Page, marquee: str) -> None:
    before = get(marquee, "/api/ml/recommendations/4?n=12")
    assert before is not None
    page.goto(f"{marquee}/recommend?user=4")
    page.get_by_role("tab", name="What if").click()
    table = page.get_by_test_id("stDataFrame").locator("visible=true")
    told = page.get_by_text(re.compile("new, .* moved|The list would stay"))
    first = table.locator("#glide-cell-1-0")  # in the middle one of three columns, drawn on a canvas
    expect(first).to_be_attached()
    table.scroll_into_view_if_needed()
    box = table.bounding_box()
    assert box is not None
    page.mouse.click(box["x"] + 0.55 * box["width"], box["y"] + 35 + 17)
    for cell in (first, table.locator("#glide-cell-1-1")):  # after an edit the cell below is selected
        expect(cell).to_have_attribute("aria-selected", "true")
        page.keyboard.press("Enter")
        page.locator("#portal input").fill("0.5")
        page.keyboard.press("Enter")
        expect(cell).to_have_text("0.5")
        settled(page)
    expect(told).to_be_visible()
    expect(page.get_by_text("Expected rating, now → what if")).to_be_visible()
    after = get(marquee, "/api/ml/recommendations/4?n=12")
    assert after is not None
    assert after["items"] == before["items"]
    assert broken(page) == 0


def test_markup_in_an_id_shows_as_text(page: Page, marquee: str) -> None:
    page.goto(marquee)
    page.evaluate("given => location.assign('/recommend?user=' + encodeURIComponent(given))", TRICKY)
    heading = page.get_by_role("heading", name=re.compile("^Person <script>"))
    expect(heading).to_be_visible()
    assert heading.inner_text().replace(JOINER, "") == f"Person {TRICKY}"
    assert heading.locator("a, em, code, img, span[style*=color], .katex").count() == 0


@pytest.mark.parametrize(("path", "title"), PAGES.items())
@pytest.mark.parametrize("width", [1280, 390])
def test_every_page_opens_without_a_fault(page: Page, marquee: str, path: str, title: str, width: int) -> None:
    page.set_viewport_size({"width": width, "height": 900})
    page.goto(f"{marquee}/{path}")
    expect(page.get_by_role("heading", level=1)).to_have_text(title)
    expect(page).to_have_title(f"{title} · Marquee")
    settled(page)
    assert broken(page) == 0
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    levels = page.get_by_test_id("stMain").get_by_role("heading").evaluate_all("all => all.map(h => +h.tagName[1])")
    assert levels[0] == 1
    skipped = [pair for pair in pairwise(levels) if pair[1] > pair[0] + 1]
    assert not skipped, f"A heading is more than one level below the one before: {levels}"
