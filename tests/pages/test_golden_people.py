"""Golden people on the page of versions: pinned, unpinned, checked, and in a version's verdict."""

from __future__ import annotations

from dataclasses import replace

from engine.errors import InvalidInput
from engine.evaluation.verdict import Judgement
from engine.recommending.golden import Kept, Listed
from pages.ui import session
from pages.ui.escape import text
from sidecar.docs import golden_people
from tests.pages import fakes
from tests.pages.conftest import Open, button, intact, press, send, words

SCRIPT = """
from engine.services import current
from pages.panels.versions_golden import pin
pin(current())
"""


def test_nobody_is_pinned_at_first(visit: Open) -> None:
    at = visit("versions.py", fakes.loaded())
    assert "Nobody is pinned yet" in words(at)
    assert session.UNPIN not in [one.key for one in at.button]
    assert session.CHECK_GOLDEN not in [one.key for one in at.button]


def test_people_are_listed_and_checked(visit: Open) -> None:
    held = fakes.loaded()
    real = replace(golden_people.PERSON, golden_id=2, name="Regular", user_id="42", ratings={})
    held.golden.held = [golden_people.PERSON, real]
    at = visit("versions.py", held)
    assert "somebody made up" in words(at)
    assert "/person?id=42" in words(at)
    assert "The Godfather in the first 20; at least 6 of the first 10 movies stay" in words(at)
    assert "movie 318: 5; movie 296: 4.5" in words(at)  # the catalogue of the fakes has neither
    assert "theirs, at each check" in words(at)
    press(at, session.CHECK_GOLDEN)
    assert held.golden.asked == [("check", 2)]
    assert "1 expectation of golden people is broken." in words(at)
    assert "5 of 10 stay" in words(at)


def test_of_many_ratings_the_first_are_shown(visit: Open) -> None:
    held = fakes.loaded()
    ratings = {held.library.movies[0].movie_id: 5.0} | {f"gone{n}": 1.0 for n in range(20)}
    held.golden.held = [replace(golden_people.PERSON, ratings=ratings), replace(golden_people.PERSON, ratings={})]
    shown = words(visit("versions.py", held))
    assert f"{held.library.movies[0].title}: 5; movie gone0: 1; " in shown
    assert "movie gone10: 1; 9 more" in shown
    assert ">none<" in shown


def test_a_verdict_shows_what_golden_people_got(visit: Open) -> None:
    held = fakes.loaded()
    held.versions.judgements = {2: Judgement("HOLD", 1, "It is better, but.")}
    assert "5 of 10 stay" not in words(visit("versions.py", held))
    held.versions.checked = {2: (golden_people.RESULT,)}
    assert "5 of 10 stay" in words(visit("versions.py", held))


def test_somebody_made_up_is_pinned(dialog: Open) -> None:
    held = fakes.loaded()
    loved, wanted = held.library.movies[:2]
    at = dialog(SCRIPT, held)
    at.text_input(session.GOLDEN_NAME).set_value("Lover of war films")
    send(at, session.GOLDEN_MOVIE, "chosen", f"movie:{loved.movie_id}")
    at.selectbox(session.GOLDEN_ROLE).set_value("In the first 20").run()
    send(at, session.GOLDEN_MOVIE, "chosen", wanted.title.split()[0].lower())
    at.number_input(session.golden_kept(0)).set_value(6).run()
    press(at, session.CONFIRM)
    expected = [Listed(movie_id=wanted.movie_id, first=20), Kept(at_least=6, first=10)]
    assert held.golden.asked == [("Lover of war films", expected, None, {loved.movie_id: 5.0})]


def test_a_refusal_is_shown(dialog: Open) -> None:
    held = fakes.loaded()
    held.golden.fails = InvalidInput("Add at least one expectation.", field="expectations")
    at = intact(press(dialog(SCRIPT, held), session.CONFIRM))
    assert at.error[0].value == text("Add at least one expectation.")


def test_a_line_can_be_removed(dialog: Open) -> None:
    held = fakes.loaded()
    at = dialog(SCRIPT, held)
    send(at, session.GOLDEN_MOVIE, "chosen", f"movie:{held.library.movies[0].movie_id}")
    assert button(at, session.golden_line(0))
    press(at, session.golden_line(0))
    assert session.golden_line(0) not in [one.key for one in at.button]


CHANGE = SCRIPT.replace("import pin", "import change").replace(
    "pin(current())", "change(current(), current().golden.people())"
)


def test_what_is_expected_is_changed(dialog: Open) -> None:
    held = fakes.loaded()
    least = Kept(at_least=2, first=5)
    person = replace(
        golden_people.PERSON,
        expectations=(*golden_people.PERSON.expectations, least),
        told=(*golden_people.PERSON.told, "at least 2 of the first 5 movies stay"),
    )
    held.golden.held = [person]
    wanted = held.library.movies[0]
    at = dialog(CHANGE, held)
    assert "The Godfather in the first 20" in words(at)
    assert "At least 2 of the first 5 movies stay" in words(at)
    press(at, session.golden_line(0))
    send(at, session.GOLDEN_MOVIE, "chosen", f"movie:{wanted.movie_id}")
    assert at.number_input(session.golden_kept(6)).value == 6
    at.number_input(session.golden_kept(6)).set_value(7).run()
    press(at, session.CONFIRM)
    expected = [least, Listed(movie_id=wanted.movie_id, first=20), Kept(at_least=7, first=10)]
    assert held.golden.asked == [("expect", person.golden_id, expected)]


def test_of_another_person_other_things_are_expected(dialog: Open) -> None:
    held = fakes.loaded()
    other = replace(
        golden_people.PERSON,
        golden_id=2,
        name="Other",
        expectations=(Listed(movie_id="5", first=3),),
        told=("Heat in the first 3",),
    )
    held.golden.held = [golden_people.PERSON, other]
    at = dialog(CHANGE, held)
    at = intact(at.selectbox(session.GOLDEN_CHANGED).select(other).run())
    assert "Heat in the first 3" in words(at)
    assert "The Godfather" not in words(at)
    held.golden.fails = InvalidInput("Add at least one expectation.", field="expectations")
    press(at, session.golden_line(0))
    at = intact(press(at, session.CONFIRM))
    assert at.error[0].value == text("Add at least one expectation.")


def test_somebody_is_unpinned(dialog: Open) -> None:
    held = fakes.loaded()
    held.golden.held = [golden_people.PERSON]
    script = SCRIPT.replace("pin(current())", "unpin(current(), current().golden.people())").replace(
        "import pin", "import unpin"
    )
    press(dialog(script, held), session.CONFIRM)
    assert held.golden.asked == [("unpin", 1)]


def test_words_that_no_movie_has_are_said(dialog: Open) -> None:
    at = dialog(SCRIPT, fakes.loaded())
    send(at, session.GOLDEN_MOVIE, "chosen", "<b>nothing")
    assert r"No movie has these words in its title: \<b\>nothing." in words(at)
    assert session.golden_line(0) not in [one.key for one in at.button]
