"""The words of an explanation say what its numbers say, and nothing where they say nothing."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from engine.recommending.explanations import Contribution, Explanation, GenreMatch, RatingExplanation, SimilarUser
from engine.recommending.reasons import tell, tell_briefly, tell_plainly

RATING = RatingExplanation(4.2, 3.8, (), 0.4, 0.0, 0.4, 0.0, 0.0, "exact")


def rated(*shares: float) -> tuple[Contribution, ...]:
    """Past ratings with these shares."""
    return tuple(Contribution(f"m{n}", f"Film {n}", 4.5 - n / 2, share) for n, share in enumerate(shares))


def explanation(*shares: float, **changes: Any) -> Explanation:
    """One whose score is the sum of these shares."""
    base = Explanation(
        user_id="u",
        movie_id="m",
        title="The movie",
        status="personal",
        score=sum(shares),
        baseline=0.0,
        contributions=rated(*shares),
        residual=0.0,
        from_rating=0.0,
        by_neighbours=False,
        predicted_rating=4.2,
        interval=None,
        rating=RATING,
        similar_rated_movies=(),
        genre_match=GenreMatch(0.0, ()),
        similar_users=(),
        text="",
        model_version=1,
    )
    return replace(base, **changes)


def people(*ratings: float) -> tuple[SimilarUser, ...]:
    return tuple(SimilarUser(f"u{n}", rating, 0.5) for n, rating in enumerate(ratings))


@pytest.mark.parametrize(
    ("one", "expected"),
    [
        (explanation(0.6, 0.2, 0.2), "It rests on the rating of Film 0 (4.5): 60% of its score."),
        (explanation(0.3, 0.3, 0.2, 0.2), "ratings of Film 0 (4.5), Film 1 (4) and Film 2 (3.5) weigh most: 80% of"),
        (explanation(0.4, 0.3, score=1.0), "The ratings of Film 0 (4.5) and Film 1 (4) weigh most: 70% of its score."),
        (explanation(*[0.05] * 20), "20 ratings support it and none decides it; the"),
        (explanation(0.2, score=0.8, baseline=0.6), "75%, comes from its popularity. The rating of Film 0 (4.5) adds"),
        (explanation(score=0.3, baseline=0.3), "This person's taste is unknown; it is listed for its popularity."),
        (explanation(-0.1, score=0.2, baseline=0.3), "None of this person's ratings supports it"),
        (
            explanation(score=0.3, baseline=0.3, genres_liked=("War",)),
            "it is listed for its popularity and the liking for War.",
        ),
        (
            explanation(0.2, score=0.8, baseline=0.6, genres_liked=("Drama", "War")),
            "Most of its score, 75%, comes from its popularity and the liking for Drama and War.",
        ),
        (explanation(0.6, by_neighbours=True), "scored by movies of similar genre and year. It rests on"),
        (explanation(0.6, -0.2, score=0.4), "The rating of Film 1 (4) counts against it."),
        (explanation(0.6, score=0.8, from_rating=0.2), "The expected rating adds 25% of its score, as it is above"),
        (explanation(0.6, score=0.5, from_rating=-0.1), "expected rating takes off 20% of its score, as it is below"),
        (explanation(0.6, genre_match=GenreMatch(0, (("War", 0.4, 3),))), "rates War movies 0.4 above their mean."),
        (explanation(0.6, genre_match=GenreMatch(0, (("War", -0.4, 3),))), "rates War movies 0.4 below their mean."),
        (
            explanation(0.6, genre_match=GenreMatch(0, (("War", 0.4, 3), ("Noir", -0.2, 9)))),
            "This person rates War movies 0.4 above and Noir movies 0.2 below their mean.",
        ),
        (explanation(0.6, similar_users=people(4, 5)), "The 2 people with the most similar taste who rated it gave it"),
        (explanation(0.6, similar_users=people(3)), "One person with similar taste rated it 3."),
        (explanation(0.6), "Expected rating: 4.2, 0.4 above the average viewer."),
        (explanation(0.6, rating=replace(RATING, level=-0.3)), "viewer. This person generally rates 0.3 lower."),
        (explanation(0.6, rating=replace(RATING, level=0.5)), "This person generally rates 0.5 higher."),
        (explanation(0.6, rating=replace(RATING, baseline=4.25)), "Expected rating: 4.2."),
        (explanation(0.6, rating=replace(RATING, baseline=4.6)), "4.2, 0.4 below the average viewer."),
        (explanation(0.6, rating=replace(RATING, contributions=rated(0.2, 0.1))), "Without the rating of Film 0 (4.5)"),
        (explanation(0.6, rating=replace(RATING, contributions=rated(-0.2))), "it would be 0.20 higher."),
        (explanation(0.6, rating=replace(RATING, contributions=rated(0.01, 0.01))), "No single rating changes that by"),
    ],
)  # fmt: skip
def test_what_the_numbers_say(one: Explanation, expected: str) -> None:
    assert expected in tell(one)


@pytest.mark.parametrize(
    ("one", "claim"),
    [
        (explanation(0.6, genre_match=GenreMatch(0, (("War", 0.9, 2),))), "War"),  # two ratings are no habit
        (explanation(0.6, genre_match=GenreMatch(0, (("War", 0.05, 30),))), "War"),
        (explanation(0.6, -0.01, score=0.59), "against"),
        (explanation(0.6), "taste"),
        (explanation(0.6, score=0.65, from_rating=0.05), "to expect"),  # less than a tenth
        (explanation(0.6, score=-0.1, from_rating=-0.7), "to expect"),
        (explanation(0.6), "Without"),
        (explanation(0.6, rating=replace(RATING, level=0.09)), "generally"),
        (explanation(0.6, rating=replace(RATING, contributions=rated(0.01))), "No single"),
        (explanation(0.6, score=0.5), "%"),  # more than the whole: what speaks against it is not told as a part
        (explanation(0.6, score=-0.1), "%"),
    ],
)
def test_what_they_do_not_say(one: Explanation, claim: str) -> None:
    assert claim not in tell(one)


def test_texts_differ_where_the_evidence_does() -> None:
    ones = [
        explanation(0.6),
        explanation(*[0.05] * 20),
        explanation(0.3, 0.3),
        explanation(0.6, similar_users=people(4)),
    ]
    assert len({tell(one) for one in ones}) == len(ones)


def low(rating: float) -> bool:
    """Ratings below 3 count against a movie."""
    return rating < 3


def test_the_main_reason_is_told_in_a_few_words() -> None:
    first = rated(0.6)[0]
    assert tell_briefly(first) == "Because you gave Film 0 4.5"
    assert tell_briefly(replace(first, rating=0.5), disliked=low) == "Unlike Film 0, which you gave 0.5"
    assert tell_briefly(None) == "Popular with everybody"
    assert tell_briefly(None, ["Crime", "War"]) == "Popular, and you like Crime and War"
    liked, disliked = (Contribution("a", "Alien", rating, 0.2) for rating in (1.0, 0.0))
    assert tell_briefly(liked, preferences=True) == "Because you liked Alien"
    assert tell_briefly(disliked, disliked=low, preferences=True) == "Unlike Alien, which you disliked"


def test_what_was_rated_low_speaks_for_other_movies() -> None:
    ratings = tuple(replace(one, rating=rating) for one, rating in zip(rated(0.5, 0.2, 0.3), (1, 5, 2), strict=True))
    told = tell(explanation(0.5, 0.2, 0.3, contributions=ratings), low)
    assert (
        "It is unlike movies this person did not like: the ratings of Film 0 (1) and Film 2 (2) speak for it, 80%"
        in told
    )
    liked = tell(explanation(0.5, 0.2, 0.3, contributions=(ratings[1], ratings[0], ratings[2])), low)
    assert "Film 1 (5)" in liked
    assert "Film 0" not in liked


def test_a_score_that_the_expected_rating_makes_begins_with_it() -> None:
    told = tell(explanation(0.2, 0.1, score=1.0, from_rating=0.7))
    assert told.startswith(
        "Most of its score comes from the expected rating. The ratings of Film 0 (4.5) and Film 1 (4) add 30%."
    )
    assert "The expected rating adds 70% of its score" in told


@pytest.mark.parametrize(
    ("one", "expected"),
    [
        (
            explanation(0.3, 0.3, 0.2),
            "It is here because you gave Film 0 4.5 and Film 1 4; you would probably give it 4.2.",
        ),
        (explanation(0.3, -0.3), "It is here because you gave Film 0 4.5; you would probably give it 4.2."),
        (explanation(0.1, baseline=0.6), "It is here because it is popular with everybody; you would probably give"),
        (explanation(baseline=0.6, genres_liked=("War",)), "It is here because it is popular, and you like War; you"),
    ],
)
def test_the_summary_is_one_sentence_of_everyday_words(one: Explanation, expected: str) -> None:
    assert tell_plainly(one).startswith(expected)


def test_the_summary_names_what_was_disliked() -> None:
    told = tell_plainly(explanation(0.3, 0.1), lambda rating: rating > 4)
    assert told == "It is here because it is unlike Film 0, which you gave 4.5; you would probably give it 4.2."
    assert tell_plainly(explanation(0.3, 0.1), preferences=True) == "It is here because you liked Film 0 and Film 1."
