"""After the rehearsal nothing is left to compile, whatever Marquee does then."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[3]

EVERYTHING = """
import gc, sys
from numba.core.registry import CPUDispatcher
from engine.runtime import build
from engine.services.warmup import warm_up
from engine.settings import Settings
from engine.recommending.lists import ListOptions
from tests.engine.services.conftest import fill, finished
from tests.engine.models.quick import QUICK

def compiled():
    loops = [one for one in gc.get_objects() if isinstance(one, CPUDispatcher)]
    return {(loop.py_func.__qualname__, str(kinds)) for loop in loops for kinds in loop.signatures
            if loop.py_func.__module__.startswith("engine.")}

def use(services):
    for rating in (2.0, 4.5):
        services.ratings.rate("u1", "m2", rating)
        services.ratings.rate(f"new {rating}", "m3", rating)
    services.ratings.unrate("u1", "m2")
    for options in ({}, {"rank_by": "rating"}, {"diversity": 0.5}, {"include_rated": True}):
        for user in ("u1", "new 2.0", "nobody"):
            services.recommendations.recommend(user, 5, **options)
    services.recommendations.predict([("u1", "m2"), ("nobody", "m2"), ("u1", "nothing")])
    services.recommendations.recommend_to({"m1": 4.0}, ListOptions(5))
    services.recommendations.what_if("u1", {"m1": 1.0}, ListOptions(5))
    services.recommendations.explain("u1", "m4")
    services.recommendations.similar("m1")
    services.recommendations.interview("u1")

warm_up()
before = compiled()
url = sys.argv[1]
runtime = build(Settings(database_url=url, demo=False))
runtime.start()
fill(runtime, 60)
for kind in ("svd", "ncf"):
    run = finished(runtime, runtime.services.training.train_model(kind, QUICK[kind], "always"))
    assert run.state == "succeeded", run.error
    use(runtime.services)
runtime.services.versions.rollback()
use(runtime.services)
runtime.stop()
again = build(Settings(database_url=url, demo=False))
again.start()
use(again.services)
again.stop()
assert len(before) >= 7, before
print(sorted(compiled() - before))
"""


def test_nothing_is_compiled_later(tmp_path: Path) -> None:
    arguments = [sys.executable, "-c", EVERYTHING, f"sqlite:///{tmp_path}/m.db"]
    done = subprocess.run(arguments, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[-1] == "[]"
