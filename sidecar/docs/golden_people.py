"""Real instances of golden people and of changes in lists, for the documentation and for the fakes of tests."""

from engine.recommending.changes import ListChanges, MovieChange, PersonChange
from engine.recommending.golden import Finding, GoldenResult, Kept, Listed
from engine.services.golden import Pinned
from sidecar.docs.instances import LAMBS, SHAWSHANK, USER

PERSON = Pinned(
    1,
    "Lover of crime films",
    None,
    {"318": 5.0, "296": 4.5},
    (Listed(movie_id="858"), Kept(at_least=6, first=10)),
    ("The Godfather in the first 20", "at least 6 of the first 10 movies stay"),
    1795443840.0,
    "api",
)
RESULT = GoldenResult(
    1,
    "Lover of crime films",
    (
        Finding("The Godfather in the first 20", "it is number 3", True),
        Finding("at least 6 of the first 10 movies stay", "5 of 10 stay", False),
    ),
)
LIST_CHANGES = ListChanges(
    3,
    2,
    671,
    671,
    (0, 0, 2, 5, 12, 40, 86, 121, 140, 155, 110),
    (MovieChange(SHAWSHANK, 120, 164),),
    (MovieChange(LAMBS, 88, 61),),
    (PersonChange(USER, 2),),
)
