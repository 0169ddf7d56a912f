"""Recommend: the user, the list, its reasons, and ratings."""

from __future__ import annotations

import json
import shlex
from dataclasses import replace
from urllib.parse import parse_qsl

import pytest

from engine.data.scale import STARS
from engine.errors import InvalidRating, NotReady
from pages.panels.recommend_list import MAX_TITLE, changed, ranks_without, shortened
from pages.panels.recommend_what_if import WHAT_IF
from pages.ui import session
from pages.ui.charts import rating_rows, share_rows
from pages.ui.escape import text
from pages.ui.links import movie_cell
from sidecar.routes.recommendations import ListByQuery, PredictRequest
from tests.pages import fakes
from tests.pages.conftest import (
    Open,
    button,
    choose,
    click_rating,
    edit,
    intact,
    links,
    options,
    press,
    rate,
    rating_inputs,
    select,
    send,
    type_in,
    words,
)


def test_without_a_version_the_page_shows_the_next_step(visit: Open) -> None:
    assert "Import ratings" in words(visit("recommend.py", fakes.empty()))
    assert "Training the first version" in words(visit("recommend.py", fakes.first_training(), user="42"))


def test_without_a_user_it_asks_for_one(visit: Open) -> None:
    at = visit("recommend.py", fakes.loaded())
    assert "Choose a person" in at.info[0].value
    assert "/api/ml/recommendations?user_id=42&n=12" in at.code[0].value
    assert [(one["title"], one["about"]) for one in options(at, session.PICKER)] == [
        ("42", "4 ratings"),
        ("7", "1 rating"),
        ("a_b*", "1 rating"),
    ]


def test_a_person_is_found_as_one_types(visit: Open) -> None:
    at = visit("recommend.py", fakes.loaded())
    assert [one["title"] for one in type_in(at, session.PICKER, "4")] == ["42", "New person: 4"]
    assert [one["title"] for one in type_in(at, session.PICKER, "42")] == ["42"]
    found = type_in(at, session.PICKER, " Maria ")
    assert [(one["value"], one["title"]) for one in found] == [("Maria", "New person: Maria")]
    at = intact(send(at, session.PICKER, "chosen", "Maria"))
    assert at.header[0].value == "Person Maria"
    assert at.query_params["user"] == "Maria"


def test_a_link_opens_the_list_of_its_user(visit: Open) -> None:
    at = visit("recommend.py", fakes.loaded(), user="42")
    assert at.header[0].value == "Person 42"
    assert "Personal" in words(at)
    assert len(rating_inputs(at)) == 12
    assert "&lt;script&gt;alert(1)" not in words(at)  # it is rated already
    assert at.dataframe[0].value["Movie"].tolist()[0].startswith("/movie?title=Lawrence+of+Arabia&id=")


def test_the_owners_pictures_lie_over_the_drawn_ones(visit: Open) -> None:
    held = fakes.loaded()
    assert "images.example" not in words(visit("recommend.py", held, user="42"))
    held.posters = "https://images.example/{tmdb}.jpg"
    shown = words(visit("recommend.py", held, user="42"))
    assert shown.count('src="https://images.example/862.jpg"') == 1
    assert shown.count("data:image/svg+xml") == 12


def test_each_card_says_the_main_reason(visit: Open) -> None:
    held = fakes.loaded()
    first = held.library.rated["42"][0]
    at = visit("recommend.py", held, user="42")
    assert words(at).count(f"Because you gave {first.movie.title} {first.rating:g}") == 12
    intact(at.selectbox(key=session.RANK_BY).set_value("rating").run())
    assert "Because you gave" not in words(at)
    assert "Popular with everybody" in words(visit("recommend.py", held, user="somebody"))


def test_the_list_and_a_prediction_can_be_had_from_code(visit: Open) -> None:
    at = press(visit("recommend.py", fakes.loaded(), user="42"), session.card("why", "2"))
    of_list, of_prediction = [shlex.split(one.value) for one in at.code if one.language == "bash"]
    path, _, query = of_list[1].partition("?")
    assert path.endswith("/api/ml/recommendations")
    asked = ListByQuery.model_validate(dict(parse_qsl(query)))
    assert (asked.user_id, asked.n, asked.rank_by) == ("42", 12, "ranker")
    body = PredictRequest.model_validate_json(of_prediction[3])
    assert [(one.user_id, one.movie_id) for one in body.pairs] == [("42", "2")]


def test_an_unknown_id_gets_a_list(visit: Open) -> None:
    at = visit("recommend.py", fakes.loaded(), user="<b>new*one</b>")
    assert at.header[0].value == r"Person \<b\>new\*one\<\/b\>"
    assert "New person" in words(at)
    assert "No ratings yet" in words(at)
    assert "<script" not in words(at)


def test_choosing_another_user_changes_the_list(visit: Open) -> None:
    at = visit("recommend.py", fakes.loaded(), user="42")
    intact(choose(at, "7"))
    assert at.header[0].value == "Person 7"


def test_a_rating_is_saved_and_announced(visit: Open) -> None:
    held = fakes.loaded()
    at = visit("recommend.py", held, user="7")
    before = [one.key for one in rating_inputs(at)]
    intact(rate(at, "4", 4.5))
    assert held.library.rated["7"][0].rating == 4.5
    told = at.toast[0].value
    assert "Rated Blade Runner 4.5. Expected rating: 3.87 before, 4.12 now." in told
    assert "in the list" in told
    after = [one.key for one in rating_inputs(at)]
    assert "recommend.rate.4" in before
    assert "recommend.rate.4" not in after
    assert "was " in words(at)
    assert not intact(at.run()).toast


def test_a_rating_can_be_changed_and_undone(visit: Open) -> None:
    held = fakes.loaded()
    at = intact(rate(visit("recommend.py", held, user="7"), "4", 4.5))
    assert "You rated **Blade Runner**" in words(at)
    at = intact(click_rating(at, session.card("again", "4"), 3.0))
    assert held.library.rated["7"][0].rating == 3.0
    at = intact(press(at, session.UNDO_RATING))
    assert "4" not in [one.movie.movie_id for one in held.library.rated["7"]]
    assert "You rated" not in words(at)
    at = intact(rate(at, "4", 4.5))
    intact(choose(at, "42"))
    assert button(at, session.UNDO_RATING) is None


@pytest.mark.parametrize("removed", [False, True])
def test_a_rating_that_was_changed_in_another_tab_is_not_offered_for_undo(visit: Open, *, removed: bool) -> None:
    held = fakes.loaded()
    at = intact(rate(visit("recommend.py", held, user="7"), "4", 4.5))
    assert button(at, session.UNDO_RATING)
    if removed:
        held.ratings.unrate("7", "4")
    else:
        held.ratings.rate("7", "4", 1.0)
    assert button(intact(at.run()), session.UNDO_RATING) is None


def test_undo_gives_back_an_earlier_rating(visit: Open) -> None:
    held = fakes.loaded()
    at = visit("recommend.py", held, user="7", rated="Show")
    movie = held.library.rated["7"][0]
    held.ratings.previous = movie.rating
    at = intact(rate(at, movie.movie.movie_id, 0.5))
    intact(press(at, session.UNDO_RATING))
    assert held.library.rated["7"][0].rating == movie.rating


@pytest.mark.parametrize("page", ["recommend.py", "newcomer.py", "movie.py"])
def test_an_id_that_nobody_can_have_is_said(visit: Open, page: str) -> None:
    at = visit(page, fakes.loaded(), user="x" * 201, id="2")
    assert [one.value for one in at.error] == [
        "The id is longer than 200 characters. No person can have it, so choose another."
    ]
    assert not [one for one in rating_inputs(at) if one.key.startswith("recommend.rate")]


def test_nobody_new_is_offered_an_id_that_is_too_long(visit: Open) -> None:
    at = visit("recommend.py", fakes.loaded())
    assert [one["value"] for one in type_in(at, session.PICKER, "x" * 200)] == ["x" * 200]
    assert type_in(at, session.PICKER, "x" * 250) == []


def test_the_address_keeps_the_filters(visit: Open) -> None:
    at = visit("recommend.py", fakes.loaded(), user="42", genre="War", likes="Drama", order="Expected rating")
    assert at.selectbox(key=session.GENRE).value == "War"
    assert text("Filters: by expected rating, only War, who likes Drama.") in words(at)
    assert text("Filters:") not in words(visit("recommend.py", fakes.loaded(), user="42"))


def test_a_refused_rating_says_why_and_the_list_stays(visit: Open) -> None:
    held = fakes.loaded()
    held.ratings.fails = InvalidRating("A rating lies between 0.5 and 5.")
    at = intact(rate(visit("recommend.py", held, user="42"), "1", 4.5))
    assert "A rating lies between" in at.error[0].value
    assert len(rating_inputs(at)) == 12


def test_ratings_are_removed_from_the_history(visit: Open) -> None:
    held = fakes.loaded()
    at = visit("recommend.py", held, user="42")
    assert "Select ratings to remove them." in words(at)
    titles = at.dataframe[0].value["Movie"].tolist()
    at = intact(press(intact(select(at, session.rated("42", 4), 0, 2)), session.REMOVE_RATINGS))
    assert [movie_cell(one.movie.title, one.movie.movie_id) for one in held.library.rated["42"]] == [
        titles[1],
        titles[3],
    ]
    assert at.dataframe[0].value["Movie"].tolist() == [titles[1], titles[3]]
    assert at.toast[0].value.startswith("Removed ")
    assert button(at, session.REMOVE_RATINGS) is None


def test_variety_shows_its_cost(visit: Open) -> None:
    at = visit("recommend.py", fakes.loaded(), user="42")
    assert "Variety: " not in words(at)
    at = intact(at.slider(key=session.VARIETY).set_value(40).run())
    assert "Variety: 3 movies replaced; genres differ by 71% instead of 55%." in words(at)
    assert "8% of the list's score" in words(at)
    assert "4.11 instead of 4.19" in words(at)


def test_reasons_are_computed_when_they_are_asked_for(visit: Open) -> None:
    held = fakes.loaded()
    at = visit("recommend.py", held, user="42")
    assert held.recommendations.explained == []
    intact(press(at, session.card("why", "1")))
    assert held.recommendations.explained == ["1"]
    assert text(held.recommendations.explain("42", "1").summary) in words(at)
    assert "weigh most" in words(at)
    assert "Most similar movies among those rated" in words(at)
    assert len(at.get("vega_lite_chart")) == 3
    assert "Bar chart of parts of the score." in at.get("vega_lite_chart")[0].proto.alt
    assert "Average viewer 3.90, this person 4.40." in words(at)


def test_the_bars_of_an_explanation_sum_to_its_score() -> None:
    explanation = fakes.FakeRecommendations(fakes.FakeLibrary()).explain("42", "1")
    rows = share_rows(explanation, STARS)
    assert len(rows) == 10
    assert sum(share for _, share, _ in rows) == pytest.approx(explanation.score, abs=1e-9)
    few = share_rows(fakes.FakeRecommendations(fakes.FakeLibrary(movies=fakes.MOVIES[:4])).explain("42", "1"), STARS)
    assert sum(share for _, share, _ in few) == pytest.approx(0.01 + 0.21 + 0.105 + 0.07 + 2e-7, abs=1e-9)


def test_the_popularity_bar_names_liked_genres() -> None:
    explanation = fakes.FakeRecommendations(fakes.FakeLibrary()).explain("42", "1")
    assert share_rows(explanation, STARS)[-1][0] == "Popularity"
    liked = replace(explanation, genres_liked=("War",))
    assert share_rows(liked, STARS)[-1][0] == "Popularity and liked genres"


def test_the_bars_of_a_rating_sum_to_its_difference() -> None:
    for films in (fakes.MOVIES, fakes.MOVIES[:4]):
        rating = fakes.FakeRecommendations(fakes.FakeLibrary(movies=films)).explain("42", "1").rating
        rows = rating_rows(rating, STARS)
        assert sum(share for _, share, _ in rows) == pytest.approx(rating.predicted_rating - rating.baseline, abs=1e-3)
        assert "Clipped to the scale" not in [label for label, _, _ in rows]  # nothing was


def test_what_if_saves_nothing(visit: Open) -> None:
    held = fakes.loaded()
    at = visit("recommend.py", held, user="42")
    assert held.recommendations.imagined == []
    tables = [list(table.value) for table in at.dataframe]
    assert ["Movie", "Rating", "Year", "Genres", "Rated"] in tables
    before = list(held.library.rated["42"])
    at = intact(edit(at, session.what_if("42", 4), {0: {WHAT_IF: 1.0}, 2: {WHAT_IF: None}}))
    first, _, third, _ = (one.movie.movie_id for one in before)
    assert held.recommendations.imagined == [{first: 1.0, third: None}]
    assert held.library.rated["42"] == before
    assert "3 new, 1 dropped, 5 moved." in words(at)
    assert "▼ 1" in words(at)
    assert "4.1" in words(at)
    assert "Dropped: " in words(at)
    at = intact(edit(at, session.what_if("42", 4), {0: {WHAT_IF: 7}}))
    assert at.error[0].value.startswith(r"A rating lies between 0\.5 and 5\;")
    nobody = visit("recommend.py", fakes.loaded(), user="nobody")
    assert "No ratings to change yet." in words(nobody)


def test_liked_genres_and_rated_movies_reach_the_service(visit: Open) -> None:
    held = fakes.loaded()
    held.library.rated["new"] = []
    at = visit("recommend.py", held, user="new")
    intact(at.multiselect(key=session.LIKES).set_value(["Western"]).run())
    assert rating_inputs(at)[0].key == session.card("rate", "7")
    at = visit("recommend.py", fakes.loaded(), user="7")
    assert session.card("rate", "2") not in [one.key for one in rating_inputs(at)]
    intact(at.selectbox(key=session.SEEN).set_value(True).run())
    star = next(one for one in rating_inputs(at) if one.key == session.card("rate", "2"))
    assert json.loads(star.proto.json)["value"] == 4.5


def test_the_link_to_the_interview_keeps_the_user(visit: Open) -> None:
    at = visit("recommend.py", fakes.loaded(), user="7")
    assert links(at)["Improve this list"] == "newcomer?user=7"


def test_filters_reach_the_service(visit: Open) -> None:
    at = visit("recommend.py", fakes.loaded(), user="42")
    at.selectbox(key=session.GENRE).set_value("War")
    at.number_input(key=session.YEAR_FROM).set_value(1980)
    intact(at.run())
    assert [one.key for one in rating_inputs(at)] == ["recommend.rate.15"]
    intact(at.number_input(key=session.YEAR_FROM).set_value(2050).run())
    assert "No movies match" in at.info[0].value


def test_an_empty_list_without_filters_says_that_all_is_rated(visit: Open, monkeypatch: pytest.MonkeyPatch) -> None:
    held = fakes.loaded()
    full = held.recommendations.recommend
    monkeypatch.setattr(held.recommendations, "recommend", lambda *a, **b: replace(full(*a, **b), items=()))
    at = visit("recommend.py", held, user="42")
    assert "The list goes on once there are more movies" in at.info[0].value
    assert links(at)["Open Import"].startswith("imports")


def test_the_order_can_be_the_predicted_rating(visit: Open) -> None:
    at = visit("recommend.py", fakes.loaded(), user="42")
    first = rating_inputs(at)[0].key
    intact(at.selectbox(key=session.RANK_BY).set_value("rating").run())
    assert rating_inputs(at)[0].key != first


def test_a_service_that_is_not_ready_says_so(visit: Open) -> None:
    class Unready(fakes.FakeRecommendations):
        def recommend(self, *_: object, **__: object) -> None:  # type: ignore[override]
            raise NotReady("No model is trained yet.")

    held = fakes.loaded()
    held.recommendations = Unready(held.library)
    assert "No model is trained yet" in visit("recommend.py", held, user="42").info[0].value


def test_earlier_ranks_are_counted_without_the_rated_movie() -> None:
    recommendations = fakes.FakeRecommendations(fakes.FakeLibrary())
    before = recommendations.recommend("nobody", 5)
    ranks = ranks_without(before, before.items[1].movie_id)
    assert list(ranks.values()) == [1, 2, 3, 4]
    assert changed(ranks, recommendations.recommend("nobody", 1)) == "The list stays the same."
    assert changed({}, before) == "5 new movies in the list, 0 moved."


def test_stars_get_scale_and_label(visit: Open) -> None:
    at = visit("recommend.py", fakes.loaded(), user="42")
    star = next(one for one in rating_inputs(at) if one.key == session.card("rate", "1"))
    data = json.loads(star.proto.json)
    assert data["label"] == "Rate Toy Story"
    assert (data["kind"], data["low"], data["high"], data["step"]) == ("stars", 0.5, 5.0, 0.5)


def test_long_titles_are_shortened_for_toasts() -> None:
    assert len(shortened(fakes.LONG)) == MAX_TITLE
    assert shortened(fakes.LONG).endswith("…")
    assert shortened("Heat") == "Heat"


@pytest.mark.parametrize(
    ("page", "query", "given"),
    [
        ("recommend.py", {"user": "42"}, ["42"]),
        ("newcomer.py", {"user": "42"}, ["42"]),
        ("person.py", {"id": "42"}, []),
        ("overview.py", {}, []),
        ("movie.py", {"id": "1"}, []),
    ],
)
def test_only_what_people_see_themselves_counts_as_shown(
    visit: Open, page: str, query: dict[str, str], given: list[str]
) -> None:
    held = fakes.loaded()
    visit(page, held, **query)
    assert sorted(set(held.recommendations.given)) == given
