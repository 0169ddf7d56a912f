"""How time grows with the ratings: exponents, and a picture with a straight line beside them."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from html import escape

import numpy as np

from benchmarks import picture
from benchmarks.peers.table import number

LEFT, TOP, WIDTH, HEIGHT, RIGHT = 70, 70, 460, 420, 410
MIN_S = 0.1  # a shorter step is drawn there
SPACE = 15  # between labels
COLOURS = ("#b4232c", "#1f6f8b", "#5b8c2a", "#8a4fbe", "#c47f00", "#3f51b5", "#00897b", "#ad1457", "#6d4c41", "#546e7a")


def exponent(ratings: Sequence[int], seconds: Sequence[float]) -> float:
    """Slope of the logarithm of the seconds over that of the ratings, by least squares; 1 where time is proportional.

    Args:
        ratings: different numbers, at least two.
        seconds: of each, above 0.
    """
    return float(np.polyfit(np.log(ratings), np.log(seconds), 1)[0])


def draw(title: str, ratings: Sequence[int], steps: Mapping[str, Sequence[float]]) -> str:
    """An SVG: a line for each step, both axes logarithmic, and dashed what grows in proportion to the ratings.

    Args:
        title: above the picture.
        ratings: ascending.
        steps: seconds for each number of ratings, by name.
    """
    shown = {name: [max(value, MIN_S) for value in seconds] for name, seconds in steps.items()}
    most = max(max(seconds) for seconds in shown.values())
    decades = range(math.floor(math.log10(MIN_S)), math.ceil(math.log10(most)) + 1)
    parts = picture.begin(title, LEFT + WIDTH + RIGHT, TOP + HEIGHT + 50)

    def x(value: float) -> float:
        first, last = math.log(ratings[0]), math.log(ratings[-1])
        return LEFT + WIDTH * (math.log(value) - first) / (last - first)

    def y(value: float) -> float:
        share = (math.log10(value) - decades[0]) / (decades[-1] - decades[0])
        return TOP + HEIGHT * (1 - share)

    for decade in decades:
        height = y(10.0**decade)
        parts.append(f'<line x1="{LEFT}" x2="{LEFT + WIDTH}" y1="{height:.1f}" y2="{height:.1f}"/>')
        parts.append(f'<text x="{LEFT - 52}" y="{height + 4:.1f}">{10.0**decade:g} s</text>')
    for count in ratings:
        parts.append(f'<text x="{x(count) - 12:.1f}" y="{TOP + HEIGHT + 22}">{count / 1e6:.3g} M</text>')
    bottom = 10.0 ** decades[0]
    ends = [(bottom, ratings[0]), (bottom * ratings[-1] / ratings[0], ratings[-1])]
    points = " ".join(f"{x(count):.1f},{y(value):.1f}" for value, count in ends)
    parts.append(f'<polyline points="{points}" fill="none" stroke="#999" stroke-dasharray="4 4"/>')
    labels = sorted((y(seconds[-1]), name) for name, seconds in shown.items())
    below = 0.0
    for place, (height, name) in enumerate(labels):
        colour = COLOURS[place % len(COLOURS)]
        points = " ".join(f"{x(count):.1f},{y(value):.1f}" for count, value in zip(ratings, shown[name], strict=True))
        below = max(height, below + SPACE)
        slope = exponent(ratings, shown[name])
        text = f"{name}: {number(steps[name][-1])} s, exponent {slope:.2f}"
        parts.append(f'<polyline points="{points}" fill="none" stroke="{colour}" stroke-width="2"/>')
        parts.append(f'<circle cx="{x(ratings[-1]):.1f}" cy="{height:.1f}" r="3" style="fill:{colour}"/>')
        parts.append(f'<text x="{LEFT + WIDTH + 12}" y="{below + 4:.1f}" style="fill:{colour}">{escape(text)}</text>')
    return picture.end(parts)
