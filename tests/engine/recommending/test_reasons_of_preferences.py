"""An explanation in a store of preferences names what was liked, and says nothing of how high anybody rates."""

from __future__ import annotations

from engine.recommending.explanations import Contribution, Explanation, GenreMatch, RatingExplanation, SimilarUser
from engine.recommending.reasons import tell


def explanation(*past: tuple[str, float, float]) -> Explanation:
    """One of these past preferences: title, 1 or 0, share."""
    found = tuple(Contribution(title, title, rating, share) for title, rating, share in past)
    return Explanation(
        user_id="u",
        movie_id="m",
        title="The movie",
        status="personal",
        score=sum(one.share for one in found),
        baseline=0.0,
        contributions=found,
        residual=0.0,
        from_rating=0.0,
        by_neighbours=False,
        predicted_rating=1.0,
        interval=None,
        rating=RatingExplanation(1.0, 0.5, found, 0.4, 0.3, 0.4, 0.0, 0.0, "exact"),
        similar_rated_movies=(),
        genre_match=GenreMatch(0.5, (("War", 0.5, 9),)),
        similar_users=(SimilarUser("a", 1.0, 0.5), SimilarUser("b", 1.0, 0.4), SimilarUser("c", 0.0, 0.3)),
        text="",
        model_version=1,
    )


def test_likes_are_named_without_numbers() -> None:
    told = tell(explanation(("Heat", 1.0, 0.6), ("Alien", 1.0, 0.5), ("Cats", 0.0, -0.2)), preferences=True)
    assert told == (
        "It rests on the like of Heat: 67% of its score. 2 people with similar taste liked it. "
        "The dislike of Cats counts against it."
    )


def test_several_likes_are_named_together() -> None:
    told = tell(
        explanation(("Heat", 1.0, 0.3), ("Alien", 1.0, 0.3), ("Up", 1.0, 0.2), ("Big", 1.0, 0.2)), preferences=True
    )
    assert told.startswith("The likes of Heat, Alien and Up weigh most: 80% of its score.")


def test_with_ratings_the_numbers_are_told() -> None:
    told = tell(explanation(("Heat", 4.5, 0.6), ("Alien", 4.0, 0.5)))
    assert "the rating of Heat (4.5)" in told
    assert "Expected rating: 1.0" in told
