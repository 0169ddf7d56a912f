"""The benchmark of growth measures another process, fits exponents, and holds the largest size to its goals."""

from __future__ import annotations

import json
import os
from dataclasses import replace
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import pytest

from benchmarks.__main__ import BENCHMARKS
from benchmarks.scale.command import SIZES, figures, goals, grown, main, table, write
from benchmarks.scale.growth import draw, exponent
from benchmarks.scale.process import Stage, Watch
from benchmarks.scale.stages import IMPORT, RESTART, SERVING, TRAINING, Life, Served


def life(scale: float = 1.0) -> Life:
    stages = [Stage(IMPORT, 50 * scale, 60 * scale, 0.5), Stage("Learning", 20 * scale, 30 * scale, 1.5)]
    stages += [
        Stage(TRAINING, 100 * scale, 150 * scale, 3.0),
        Stage(SERVING, 60, 20, 2.0),
        Stage(RESTART, 8, 9 * scale, 1.5),
    ]
    return Life(stages, Served(np.full(100, 2.0), np.full(20, 4.0), 0), 1.2)


@pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="processes are measured by Linux's /proc")
def test_a_stage_counts_processor_time_and_memory() -> None:
    watch = Watch(os.getpid())
    watch.begin()
    held = np.ones(40_000_000, np.uint8)
    while (stage := watch.end("busy")).processor_s < 0.05:
        watch = Watch(os.getpid())
        sum(range(3_000_000))
    assert stage.seconds > 0
    assert stage.peak_gib > len(held) / 2**30
    assert Watch.whole(os.getpid(), "all", 5.0).processor_s > 0


def test_an_exponent_is_that_of_the_power() -> None:
    sizes = [1e6, 5e6, 25e6]
    for power in (0.4, 1.0, 1.3):
        assert exponent(sizes, [3 * size**power for size in sizes]) == pytest.approx(power)  # type: ignore[arg-type]


def test_the_chart_is_an_svg_with_a_line_for_each_step_and_a_straight_one() -> None:
    ratings = [1_000_000, 5_000_000, 25_000_000]
    picture = ElementTree.fromstring(draw("growth", ratings, {"a < b": [1, 5, 25], "none": [0, 0, 0.2]}))
    lines = [one for one in picture if one.tag.endswith("polyline")]
    assert len(lines) == 3
    texts = [one.text for one in picture if one.tag.endswith("text")]
    assert any(text and "a < b" in text and "exponent 1.00" in text for text in texts)


def test_goals_are_met_or_not() -> None:
    assert all(goal.met for goal in goals(life()))
    slow = [goal for goal in goals(life(3.0)) if not goal.met]
    assert [goal.name for goal in slow] == [IMPORT, TRAINING]
    assert "MISSED" in str(slow[0])
    lost = replace(life(), served=Served(np.full(10, 9.0), np.full(10, 30.0), 1))
    assert [goal.name for goal in goals(lost) if not goal.met] == ["list, p99", "rating, p99", "requests that failed"]


def test_a_table_has_every_stage_and_ratings_a_second() -> None:
    text = table(1_000_000, life())
    assert "| import | 50.0 | 60.0 | 20,000 | 0.50 |" in text
    assert "| restart to the first list | 8.0 | 9.0 |  | 1.50 |" in text
    assert "| a list | 2.0 | 2.0 | 2.0 |" in text


def test_growth_is_of_the_stages_that_all_sizes_have() -> None:
    more = replace(life(5.0), stages=[stage for stage in life(5.0).stages if stage.name != "Learning"])
    found = grown([figures(life()), figures(more)])
    assert found == {IMPORT: [60, 300], TRAINING: [150, 750], RESTART: [9, 45]}


def test_sizes_measured_before_are_kept(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write(tmp_path, {"25m": figures(life(25.0))})
    assert not (tmp_path / "scale.svg").exists()
    write(tmp_path, {"1m": figures(life())})
    kept = json.loads((tmp_path / "scale.json").read_text("utf-8"))
    assert list(kept) == ["1m", "25m"]
    assert kept["25m"]["stages"][0]["seconds"] == 50 * 25
    assert " 1.00  import" in capsys.readouterr().out
    ElementTree.fromstring((tmp_path / "scale.svg").read_text("utf-8"))


def test_it_is_a_benchmark_and_knows_its_sizes() -> None:
    assert BENCHMARKS["scale"] is main
    assert [ratings for ratings, _, _ in SIZES.values()] == [1_000_000, 5_000_000, 25_000_095]
    with pytest.raises(SystemExit):
        main(["--size", "2m"])
