"""Small drawings of values and their intervals, for the cells of tables."""

from collections.abc import Sequence

from engine.evaluation.differences import MetricDifference
from engine.evaluation.intervals import MetricValue
from pages.ui.escape import markup
from pages.ui.tables import Drawn

MARGIN = 0.08  # of the drawing left free at either end
DIGITS = 4


def value(found: MetricValue, others: Sequence[float], told: str, *, marked: bool = True) -> Drawn:
    """A value on its interval.

    Args:
        found: the value.
        others: values that the drawing has to reach as well, such as the ends of other intervals.
        told: accessible name, such as the interval in words.
        marked: whether the first of the others is marked.
    """
    low, high = _ends(found)
    places = _Scale([low, high, *others])
    mark = f'<s style="left:{places.at(others[0])}%"></s>' if others and marked else ""
    return _drawn(places, low, found.value, high, mark, told, "")


def difference(found: MetricDifference, told: str) -> Drawn:
    """A difference on its interval, beside a line at 0, in the colour of its verdict."""
    low, high = sorted(_ends(found))
    places = _Scale([low, high, 0.0])
    zero = f'<s style="left:{places.at(0.0)}%"></s>'
    return _drawn(places, low, found.difference, high, zero, told, found.verdict)


class _Scale:
    """Places of values, rounded as they are shown beside the drawing, so that equal ones are at one place."""

    def __init__(self, values: Sequence[float]) -> None:
        self._low, high = round(min(values), DIGITS), round(max(values), DIGITS)
        self._size = (high - self._low) or 1.0

    def at(self, value: float) -> float:
        """Place in percent of the width."""
        return round(100 * (MARGIN + (1 - 2 * MARGIN) * (round(value, DIGITS) - self._low) / self._size), 1)


def _ends(found: MetricValue | MetricDifference) -> tuple[float, float]:
    """Ends of the interval; without one, the value itself."""
    middle = found.difference if isinstance(found, MetricDifference) else found.value
    return (middle if found.low is None else found.low), (middle if found.high is None else found.high)


def _drawn(places: _Scale, low: float, middle: float, high: float, mark: str, told: str, verdict: str) -> Drawn:
    left, right = places.at(low), places.at(high)
    return Drawn(
        f'<span class="mq-range" role="img" data-verdict="{markup(verdict)}" aria-label="{markup(told)}"'
        f' title="{markup(told)}">{mark}<i style="left:{left}%;width:{right - left:.1f}%"></i>'
        f'<b style="left:{places.at(middle)}%"></b></span>',
        told,
    )
