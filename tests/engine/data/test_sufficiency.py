"""Whether there is enough, and what would help most."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from engine.data.sufficiency import Evidence, judge, most_helpful

PLENTY = Evidence(np.full(400, 50), np.full(1000, 20), 20_000, 1000, 10, 0.012)


def levels(found: Evidence) -> list[str]:
    return [one.level for one in judge(found)]


def test_with_plenty_nothing_is_missing() -> None:
    assert levels(PLENTY) == ["yes"] * 5
    assert most_helpful(judge(PLENTY)) == ""
    assert all(one.helps == "" for one in judge(PLENTY))


def test_each_purpose_has_its_own_evidence() -> None:
    few_each = replace(PLENTY, user_counts=np.array([50] * 200 + [3] * 200))
    assert levels(few_each)[0] == "partly"
    assert "200 people with fewer than 10 ratings for more: 1,400 in all" in judge(few_each)[0].helps
    rare = replace(PLENTY, movie_counts=np.array([200] * 100 + [1] * 900))
    assert levels(rare)[1] == "no"
    assert "100 of 1,000 movies (10%) have 5 ratings or more and hold 96% of all ratings." in judge(rare)[1].text
    assert levels(replace(PLENTY, user_counts=np.full(9, 50), dated=450))[2] == "no"
    assert levels(replace(PLENTY, dated=0))[3] == "no"
    assert levels(replace(PLENTY, described=600))[4] == "partly"


def test_what_is_missing_entirely_helps_most() -> None:
    found = replace(PLENTY, user_counts=np.array([50] * 380 + [3] * 120), described=0, dated=19_360)
    assert levels(found) == ["partly", "yes", "yes", "yes", "no"]
    assert most_helpful(judge(found)) == "Import a table of movies with their genres and years."


def test_a_few_people_need_more_people() -> None:
    alone = replace(PLENTY, user_counts=np.array([300]), movie_counts=np.ones(300, np.int64), dated=300)
    assert most_helpful(judge(alone)).startswith("Add people: a movie needs 5 ratings")
    assert "there is 1 person." in judge(alone)[1].helps
    assert "there are 4 people." in judge(replace(alone, user_counts=np.full(4, 75)))[1].helps
    assert "Collect ratings of the 300 movies" in judge(replace(alone, user_counts=np.full(5, 60)))[1].helps


def test_without_ratings_there_is_nothing_to_judge() -> None:
    assert judge(replace(PLENTY, user_counts=np.empty(0, np.int64))) == ()
