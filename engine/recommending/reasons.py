"""Explanations in words: each sentence follows from the numbers, and is left out where they say nothing."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import islice

from engine.recommending.explanations import Contribution, Explanation, RatingExplanation
from engine.words import counted, listed

Named = Callable[[Sequence[Contribution]], str]
"""Names what a user rated or liked."""
Disliked = Callable[[float], bool]
"""Whether a rating counts against similar movies."""

MAX_NAMED, MAX_PLAIN = 3, 2
DECISIVE = 0.5
"""Share of a score from which it rests on one rating."""
SCATTERED = 0.25
"""Share of a score below which its largest parts together decide nothing."""
NOTABLE = 0.1
"""Difference worth mentioning, in rating units."""
CUT = 1e-3
"""Clipping that counts, in rating units."""
HINGE = 0.05
"""Effect of one rating worth mentioning, in rating units."""
MIN_GENRE_RATINGS = 3


def _never(_: float) -> bool:
    return False


@dataclass(frozen=True)
class Words:
    """How people's opinions are called: in general, those of some movies, and what is expected of a new one."""

    noun: str
    named: Named
    expected: str


def tell(explanation: Explanation, disliked: Disliked = _never, *, preferences: bool = False) -> str:
    """Why the movie is listed, what supports it, what counts against it, and the rating to expect.

    Args:
        explanation: the numbers.
        disliked: whether a rating counts against similar movies, and so for movies unlike it.
        preferences: the store has likes instead of ratings, so nothing is said of how high anybody rates.
    """
    words = LIKES if preferences else RATINGS
    sentences = [*_ground(explanation, words, disliked), _lift(explanation, words)]
    if preferences:
        told = [*sentences, _likers(explanation), _against(explanation, _likes)]
        return " ".join(one for one in told if one)
    sentences += [_genres(explanation), _people(explanation), _against(explanation, _ratings)]
    return " ".join(one for one in [*sentences, *_rating(explanation)] if one)


def tell_briefly(
    leading: Contribution | None, liked: Sequence[str] = (), disliked: Disliked = _never, *, preferences: bool = False
) -> str:
    """The main reason in a few words, such as ``Because you gave Alien 5``.

    Args:
        leading: the rating with the largest share in the score; None where popularity weighs more.
        liked: the movie's genres that the user says they like.
        disliked: as for ``tell``.
        preferences: as for ``tell``.
    """
    if leading is None:
        return f"Popular, and you like {listed(liked)}" if liked else "Popular with everybody"
    if disliked(leading.rating):
        return f"Unlike {leading.title}, which you {'disliked' if preferences else f'gave {leading.rating:g}'}"
    if preferences:
        return f"Because you liked {leading.title}"
    return f"Because you gave {leading.title} {leading.rating:g}"


def tell_plainly(explanation: Explanation, disliked: Disliked = _never, *, preferences: bool = False) -> str:
    """Why the movie is listed, in one sentence of everyday words; arguments as of ``tell``."""
    supporting = [one for one in explanation.contributions if one.share > 0]
    if not supporting or explanation.baseline > sum(one.share for one in supporting):
        liked = explanation.genres_liked
        why = "it is popular" + (f", and you like {listed(liked)}" if liked else " with everybody")
    elif disliked(supporting[0].rating):
        first = supporting[0]
        why = f"it is unlike {first.title}, which you {'disliked' if preferences else f'gave {first.rating:g}'}"
    else:
        leading = [one for one in supporting if not disliked(one.rating)][:MAX_PLAIN]
        why = (
            f"you liked {listed(one.title for one in leading)}"
            if preferences
            else f"you gave {listed(f'{one.title} {one.rating:g}' for one in leading)}"
        )
    expected = "" if preferences else f"; you would probably give it {explanation.predicted_rating:.1f}"
    return f"It is here because {why}{expected}."


def _ground(explanation: Explanation, words: Words, disliked: Disliked) -> list[str]:
    """The basis of the score."""
    supporting = [one for one in explanation.contributions if one.share > 0]
    if not supporting:
        none = f"None of this person's {words.noun} supports it"
        known = none if explanation.contributions else "This person's taste is unknown"
        return [f"{known}; it is listed for {_popular(explanation)}."]
    told = [_by_ratings(explanation, supporting, words, disliked)]
    if explanation.by_neighbours:
        told.insert(0, "Too few people have rated it, so it is scored by movies of similar genre and year.")
    return told


def _popular(explanation: Explanation) -> str:
    """The baseline in words."""
    liked = explanation.genres_liked
    return "its popularity" + (f" and the liking for {listed(liked)}" if liked else "")


def _by_ratings(explanation: Explanation, supporting: Sequence[Contribution], words: Words, disliked: Disliked) -> str:
    turned, named, score = disliked(supporting[0].rating), words.named, explanation.score
    leading = list(islice((one for one in supporting if disliked(one.rating) == turned), MAX_NAMED))
    parts = [one.share / score if score > 0 else 0.0 for one in leading]
    if explanation.baseline > sum(one.share for one in supporting):
        how = f", {explanation.baseline / score:.0%}," if 0 < explanation.baseline <= score else ""
        added = f"The {named(leading)} {_verb(leading, 'add')} to it."
        return f"Most of its score{how} comes from {_popular(explanation)}. {added}"
    part = f"{sum(parts):.0%} of its score" if 0 < sum(parts) <= 1 else ""
    if turned:
        told = f"the {named(leading)} {_verb(leading, 'speak')} for it" + (f", {part}" if part else "")
        return f"It is unlike movies this person did not like: {told}."
    ending = f": {part}" if part else ""
    if part and explanation.from_rating > sum(one.share for one in leading):
        added = f"The {named(leading)} {_verb(leading, 'add')} {sum(parts):.0%}."
        return f"Most of its score comes from {words.expected}. {added}"
    if DECISIVE <= parts[0] <= 1:
        return f"It rests on the {named(leading[:1])}: {parts[0]:.0%} of its score."
    if len(supporting) > MAX_NAMED and 0 < sum(parts) < SCATTERED:
        return (
            f"{len(supporting)} {words.noun} support it and none decides it; the {named(leading[:1])} adds most, "
            f"{parts[0]:.0%} of its score."
        )
    return f"The {named(leading)} {_verb(leading, 'weigh')} most{ending}."


def _lift(explanation: Explanation, words: Words) -> str:
    """What the expected rating does to the score."""
    if explanation.score <= 0 or abs(explanation.from_rating) < NOTABLE * explanation.score:
        return ""
    part, adds = abs(explanation.from_rating) / explanation.score, explanation.from_rating > 0
    does, side = ("adds", "above") if adds else ("takes off", "below")
    return f"{words.expected.capitalize()} {does} {part:.0%} of its score, as it is {side} this person's usual level."


def _genres(explanation: Explanation) -> str:
    """The movie's genre that the user rates furthest above their mean, and the one furthest below."""
    rows = [row for row in explanation.genre_match.genres if row[2] >= MIN_GENRE_RATINGS and abs(row[1]) >= NOTABLE]
    best, worst = (choose(rows, key=lambda row: row[1], default=None) for choose in (max, min))
    above = f"{best[0]} movies {best[1]:.1f} above" if best and best[1] > 0 else ""
    below = f"{worst[0]} movies {-worst[1]:.1f} below" if worst and worst[1] < 0 else ""
    told = " and ".join(one for one in (above, below) if one)
    return f"This person rates {told} their mean." if told else ""


def _people(explanation: Explanation) -> str:
    people = explanation.similar_users
    if not people:
        return ""
    mean = sum(one.rating for one in people) / len(people)
    if len(people) == 1:
        return f"One person with similar taste rated it {mean:g}."
    return f"The {len(people)} people with the most similar taste who rated it gave it {mean:.1f} on average."


def _likers(explanation: Explanation) -> str:
    likers = sum(one.rating > 0 for one in explanation.similar_users)
    return f"{counted(likers, 'person', 'people')} with similar taste liked it." if likers else ""


def _against(explanation: Explanation, named: Named) -> str:
    worst = min(explanation.contributions, key=lambda one: one.share, default=None)
    if worst is None or worst.share >= -NOTABLE * abs(explanation.score):
        return ""
    return f"The {named([worst])} counts against it."


def _rating(explanation: Explanation) -> list[str]:
    """The rating to expect, how far it is from the average viewer's, and the rating it depends on most."""
    rating = explanation.rating
    apart = rating.predicted_rating - rating.baseline
    told = f"Expected rating: {rating.predicted_rating:.1f}"
    if abs(apart) >= NOTABLE:
        side = "above" if apart > 0 else "below"
        told += f", {abs(apart):.1f} {side} the average viewer"
    level = f"This person generally rates {abs(rating.level):.1f} {_direction(rating.level)}."
    return [f"{told}.", level if abs(rating.level) >= NOTABLE else "", *_hinge(rating)]


def _direction(change: float) -> str:
    return "higher" if change > 0 else "lower"


def _hinge(rating: RatingExplanation) -> list[str]:
    """The one rating that the prediction depends on, or that there is none.

    Nothing where the prediction is clipped to the scale: it would stay there, or move by less than the share.
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


def _likes(leading: Sequence[Contribution]) -> str:
    noun = "like" if leading[0].rating > 0 else "dislike"
    return f"{noun if len(leading) == 1 else f'{noun}s'} of {listed([one.title for one in leading])}"


def _verb(leading: Sequence[Contribution], verb: str) -> str:
    return verb if len(leading) > 1 else f"{verb}s"


RATINGS = Words("ratings", _ratings, "the expected rating")
LIKES = Words("likes", _likes, "the chance of a like")
