"""An explanation in words: sentences that follow from its numbers, and are left out where the numbers say nothing."""

from __future__ import annotations

from collections.abc import Sequence

from engine.recommending.explanations import Contribution, Explanation, RatingExplanation
from engine.words import listed

MAX_NAMED = 3
DECISIVE = 0.5
"""Of a score, from which one rating is what it rests on."""
SCATTERED = 0.25
"""Of a score, below which the largest shares together decide nothing."""
NOTABLE = 0.1
"""Rating units from which a difference is worth a word."""
CUT = 1e-3
"""Rating units from which a prediction counts as cut off by an end of the scale."""
HINGE = 0.05
"""Rating units from which a prediction hangs on one rating."""
MIN_GENRE_RATINGS = 3


def tell(explanation: Explanation) -> str:
    """What the movie stands in the list for, what supports it, what speaks against it, and the rating to expect."""
    sentences = [*_ground(explanation), _genres(explanation), _people(explanation), _against(explanation)]
    return " ".join(one for one in [*sentences, *_rating(explanation)] if one)


def _ground(explanation: Explanation) -> list[str]:
    """What the score rests on."""
    speaking = [one for one in explanation.contributions if one.share > 0]
    if not speaking:
        if explanation.contributions:
            return [f"No past rating speaks for it; it is listed by {_popular(explanation)}."]
        return [f"Nothing is known of this taste yet; it is listed by {_popular(explanation)}."]
    told = [_by_ratings(explanation, speaking)]
    if explanation.by_neighbours:
        told.insert(0, "Too few people rated it to compare it, so movies of near genres and years stand in for it.")
    return told


def _popular(explanation: Explanation) -> str:
    """What the baseline says, in words."""
    liked = explanation.genres_liked
    return "how many people rated it highly" + (f" and the liking for {listed(liked)}" if liked else "")


def _by_ratings(explanation: Explanation, speaking: Sequence[Contribution]) -> str:
    leading, score = speaking[:MAX_NAMED], explanation.score
    parts = [one.share / score if score > 0 else 0.0 for one in leading]
    if explanation.baseline > sum(one.share for one in speaking):
        how = f": {explanation.baseline / score:.0%} of its score" if 0 < explanation.baseline <= score else ""
        added = f"The {_ratings(leading)} {_verb(leading, 'add')} to it."
        return f"Most of it is {_popular(explanation)}{how}. {added}"
    if DECISIVE <= parts[0] <= 1:
        return f"It rests on the {_ratings(leading[:1])}: {parts[0]:.0%} of its score."
    if len(speaking) > MAX_NAMED and 0 < sum(parts) < SCATTERED:
        return (
            f"{len(speaking)} ratings speak for it and none decides it; the {_ratings(leading[:1])} adds the most, "
            f"{parts[0]:.0%} of its score."
        )
    part = f": {sum(parts):.0%} of its score" if 0 < sum(parts) <= 1 else ""
    return f"The {_ratings(leading)} {_verb(leading, 'weigh')} most{part}."


def _genres(explanation: Explanation) -> str:
    """The genre that the user rates furthest above the own mean, and the one furthest below."""
    rows = [row for row in explanation.genre_match.genres if row[2] >= MIN_GENRE_RATINGS and abs(row[1]) >= NOTABLE]
    best, worst = (choose(rows, key=lambda row: row[1], default=None) for choose in (max, min))
    above = f"{best[0]} movies get {best[1]:.1f} more than this user's mean" if best and best[1] > 0 else ""
    below = f"{worst[0]} movies {'' if above else 'get '}{-worst[1]:.1f} less" if worst and worst[1] < 0 else ""
    if below and not above:
        below += " than this user's mean"
    told = ", ".join(one for one in (above, below) if one)
    return f"{told}." if told else ""


def _people(explanation: Explanation) -> str:
    people = explanation.similar_users
    if not people:
        return ""
    mean = sum(one.rating for one in people) / len(people)
    if len(people) == 1:
        return f"One person of similar taste rated it, with {mean:g}."
    return f"The {len(people)} people of most similar taste who rated it gave it {mean:.1f} on average."


def _against(explanation: Explanation) -> str:
    worst = min(explanation.contributions, key=lambda one: one.share, default=None)
    if worst is None or worst.share >= -NOTABLE * abs(explanation.score):
        return ""
    return f"The {_ratings([worst])} speaks against it."


def _rating(explanation: Explanation) -> list[str]:
    """The rating to expect, how far that is from what the movie alone lets expect, and what it hangs on."""
    rating = explanation.rating
    apart = rating.predicted_rating - rating.baseline
    told = f"Expected rating: {rating.predicted_rating:.1f}"
    if abs(apart) >= NOTABLE:
        side = "above" if apart > 0 else "below"
        told += f", {abs(apart):.1f} {side} what anybody would be told of it"
    level = f"This user rates {abs(rating.level):.1f} {_direction(rating.level)} in general."
    return [f"{told}.", level if abs(rating.level) >= NOTABLE else "", *_hinge(rating)]


def _direction(change: float) -> str:
    return "higher" if change > 0 else "lower"


def _hinge(rating: RatingExplanation) -> list[str]:
    """The one rating without which another would be predicted, or that there is none.

    Nothing where an end of the scale cuts the prediction off: it would stay there, or move by less than the share.
    """
    contributions = rating.contributions
    if not contributions or abs(rating.clipped) >= CUT:
        return []
    first = contributions[0]
    if abs(first.share) >= HINGE:
        return [f"Without the {_ratings([first])} it would be {abs(first.share):.2f} {_direction(-first.share)}."]
    return [f"No single rating changes that by more than {HINGE:g}."] if len(contributions) > 1 else []


def _ratings(leading: Sequence[Contribution]) -> str:
    told = [f"{one.title} ({one.rating:g})" for one in leading]
    return f"{'rating' if len(told) == 1 else 'ratings'} of {listed(told)}"


def _verb(leading: Sequence[Contribution], verb: str) -> str:
    return verb if len(leading) > 1 else f"{verb}s"
