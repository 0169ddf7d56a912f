"""Calls of the API as commands and as Python."""

from __future__ import annotations

import ast
import json
import shlex

from pages.ui.calls import KEY, Call

LIST = Call(
    "/api/ml/recommendations",
    query={
        "user_id": "it's me & you",
        "n": 12,
        "genre": None,
        "genres_liked": ["War", "Film-Noir"],
        "include_rated": True,
    },
)
PAIR = Call("/api/ml/predict", body={"pairs": [{"user_id": "a'b", "movie_id": "Amélie $HOME"}]})


def test_a_command_survives_the_shell() -> None:
    command, url, *rest = shlex.split(LIST.as_curl("http://here", keyed=True))
    assert (command, rest) == ("curl", ["-H", f"X-API-Key: {KEY}"])
    query = "user_id=it%27s+me+%26+you&n=12&genres_liked=War&genres_liked=Film-Noir&include_rated=true"
    assert url == f"http://here/api/ml/recommendations?{query}"
    told = shlex.split(PAIR.as_curl("http://here", keyed=False))
    assert told[:3] == ["curl", "http://here/api/ml/predict", "--json"]
    assert json.loads(told[3]) == PAIR.body


def test_python_passes_the_same_values() -> None:
    call = _call(LIST.as_python("http://here", keyed=True))
    assert ast.literal_eval(call.args[0]) == "http://here/api/ml/recommendations"
    given = {one.arg: ast.literal_eval(one.value) for one in call.keywords}
    assert given == {
        "params": {"user_id": "it's me & you", "n": 12, "genres_liked": ["War", "Film-Noir"], "include_rated": True},
        "headers": {"X-API-Key": KEY},
    }
    posted = _call(PAIR.as_python("http://here", keyed=False))
    assert ast.unparse(posted.func) == "requests.post"
    assert {one.arg: ast.literal_eval(one.value) for one in posted.keywords} == {"json": PAIR.body}


def _call(script: str) -> ast.Call:
    """The call whose answer a script keeps."""
    kept = next(line for line in ast.parse(script).body if isinstance(line, ast.Assign))
    assert isinstance(kept.value, ast.Call)
    return kept.value
