"""A real instance of a list that was shown, for the documentation and for the fakes of tests."""

from engine.services.answers import Shown, ShownItem
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
