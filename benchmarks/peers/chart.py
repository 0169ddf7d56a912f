"""The results as a picture: a column of dots per figure, a row per model."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from html import escape

from benchmarks import picture
from benchmarks.peers.running import Outcome
from benchmarks.peers.table import number

LEFT, WIDTH, GAP, ROW, TOP = 190, 170, 70, 24, 64
MAX_LABEL = 30  # characters that fit into a panel
MIN_VALUE = 1e-3  # start of a logarithmic axis


@dataclass(frozen=True)
class Panel:
    """One figure: key, heading, whether the axis is logarithmic, and number of decimals."""

    key: str
    heading: str
    logarithmic: bool
    decimals: int | None = None


PANELS = (
    Panel("fit_s", "fit, s (log)", True),
    Panel("peak_mib", "peak memory, MiB (log)", True),
    Panel("rmse", "RMSE, lower is better", False, 3),
    Panel("ndcg", "NDCG@10, higher is better", False, 3),
    Panel("list_ms", "one list, ms (log)", True),
)


def draw(title: str, outcomes: Sequence[Outcome]) -> str:
    """An SVG of all models and figures."""
    width, height = LEFT + len(PANELS) * (WIDTH + GAP), TOP + ROW * len(outcomes) + 16
    parts = picture.begin(title, width, height)
    for row, outcome in enumerate(outcomes):
        parts.append(f'<text{_ours(outcome)} x="12" y="{_y(row) + 4}">{escape(outcome.model)}</text>')
    for column, panel in enumerate(PANELS):
        parts += _panel(panel, LEFT + column * (WIDTH + GAP), outcomes)
    return picture.end(parts)


def _panel(panel: Panel, left: int, outcomes: Sequence[Outcome]) -> list[str]:
    values = [outcome.figures.get(panel.key) for outcome in outcomes]
    places = positions([value for value in values if value is not None], panel.logarithmic)
    parts = [f'<text class="head" x="{left}" y="{TOP - 16}">{escape(panel.heading)}</text>']
    for row, (outcome, value) in enumerate(zip(outcomes, values, strict=True)):
        y = _y(row)
        if value is not None:
            x = left + next(places) * WIDTH
            shown = number(value) if panel.decimals is None else f"{value:.{panel.decimals}f}"
            parts.append(f'<line x1="{left}" x2="{left + WIDTH}" y1="{y}" y2="{y}"/>')
            parts.append(f'<circle{_ours(outcome)} cx="{x:.1f}" cy="{y}" r="5"/>')
            parts.append(f'<text{_ours(outcome)} x="{x + 9:.1f}" y="{y + 4}">{shown}</text>')
        elif outcome.status != "done" and panel.key != "rmse":  # not every model predicts ratings
            parts.append(f'<text class="missing" x="{left}" y="{y + 4}">{escape(outcome.status[:MAX_LABEL])}</text>')
    return parts


def positions(values: Sequence[float], logarithmic: bool) -> Iterator[float]:
    """Position of each value between the minimum (0) and the maximum (1)."""
    scaled = [math.log10(max(value, MIN_VALUE)) if logarithmic else value for value in values]
    least, spread = min(scaled, default=0.0), (max(scaled, default=0.0) - min(scaled, default=0.0)) or 1.0
    return ((value - least) / spread for value in scaled)


def _ours(outcome: Outcome) -> str:
    return ' class="ours"' if outcome.model.startswith("Marquee") else ""


def _y(row: int) -> int:
    return TOP + ROW * row
