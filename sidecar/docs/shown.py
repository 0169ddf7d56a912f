"""Real instances of a list that was shown and of its replay, for the documentation and for the fakes of tests."""

from engine.services.answers import Shown, ShownItem
from engine.services.replays import PastRating, Replay, ReplayedItem
from sidecar.docs.instances import LAMBS, NOW, SHAWSHANK

SHOWN = Shown(
    412,
    NOW - 3600,
    3,
    57,
    {"n": 2, "genre": "Crime"},
    (
        ShownItem(1, SHAWSHANK.movie_id, SHAWSHANK.title, 0.93),
        ShownItem(2, LAMBS.movie_id, LAMBS.title, 0.88),
    ),
)

REPLAY = Replay(
    "42",
    SHOWN,
    True,
    (
        ReplayedItem(1, SHAWSHANK.movie_id, SHAWSHANK.title, 0.93, 0.93, "Because you gave Pulp Fiction (1994) 5"),
        ReplayedItem(2, LAMBS.movie_id, LAMBS.title, 0.88, 0.88, "Because you gave Pulp Fiction (1994) 5"),
    ),
    (PastRating("296", "Pulp Fiction (1994)", 5.0),),
)
