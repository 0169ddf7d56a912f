"""The results as a table with ratios to the corresponding model of Marquee."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from benchmarks import markdown
from benchmarks.peers.models import ENTRIES, OUR_LISTS
from benchmarks.peers.running import Outcome

RATIOS = ("fit_s", "peak_mib", "list_ms")
HEADINGS = ("model", "beside", "load, s", "fit, s", "peak, MiB", "RMSE", "NDCG@10", "a list, ms")


def ratios(outcomes: Sequence[Outcome], beside: Mapping[str, str | None]) -> dict[str, dict[str, float]]:
    """Ratio to Marquee's corresponding model, by model and figure, where both were measured."""
    figures = {outcome.model: outcome.figures for outcome in outcomes}
    found: dict[str, dict[str, float]] = {}
    for model, theirs in figures.items():
        ours = figures.get(beside[model] or "", {})
        found[model] = {name: theirs[name] / ours[name] for name in RATIOS if name in theirs and ours.get(name, 0) > 0}
    return found


def leads(outcomes: Sequence[Outcome], beside: Mapping[str, str | None]) -> tuple[list[str], bool]:
    """A sentence for RMSE and for NDCG@10: Marquee's best beside the best peer; and whether no peer is better.

    Args:
        outcomes: of all models. Nothing is said without a figure of either side, or of lists without ``Marquee lists``.
        beside: None for Marquee's own models.
    """
    lines, ahead = [], True
    for name, label, sign, digits in (("rmse", "RMSE", -1, 4), ("ndcg", "NDCG@10", 1, 3)):
        found = [(sign * one.figures[name], one.model) for one in outcomes if name in one.figures]
        ours, theirs = ([each for each in found if (beside[each[1]] is None) == own] for own in (True, False))
        if not ours or not theirs or (name == "ndcg" and all(model != OUR_LISTS for _, model in ours)):
            continue
        (mine, model), (best, peer) = max(ours), max(theirs)
        met = round(mine, digits) >= round(best, digits)
        figures = f"{abs(mine):.{digits}f} ({model}), best peer {abs(best):.{digits}f} ({peer})"
        lines.append(f"{label}: Marquee's best {figures}, {'met' if met else 'MISSED'}")
        ahead &= met
    return lines, ahead


def render(outcomes: Sequence[Outcome]) -> str:
    """A Markdown table that gives the reason for missing figures."""
    beside = {outcome.model: ENTRIES[outcome.model].beside for outcome in outcomes}
    compared = ratios(outcomes, beside)
    rows = [[one.model, beside[one.model] or "", *_cells(one, compared[one.model])] for one in outcomes]
    return markdown.table(HEADINGS, rows)


def _cells(outcome: Outcome, compared: Mapping[str, float]) -> list[str]:
    """Cells from the third column on; the first missing figure is replaced by the reason."""
    figures, cells = outcome.figures, []
    if "fit_s" in figures:
        cells += [number(figures["load_s"]), *(_with_ratio(figures, compared, name) for name in ("fit_s", "peak_mib"))]
        cells.append(f"{figures['rmse']:.4f}" if "rmse" in figures else "")
    if "ndcg" in figures:
        cells.append(f"{figures['ndcg']:.3f} ± {figures['ndcg_half']:.3f}")
        cells.append(_with_ratio(figures, compared, "list_ms"))
    missing = len(HEADINGS) - 2 - len(cells)
    return [*cells, outcome.status, *[""] * (missing - 1)] if missing else cells


def _with_ratio(figures: Mapping[str, float], compared: Mapping[str, float], name: str) -> str:
    ratio = f" (×{number(compared[name])})" if name in compared else ""
    return number(figures[name]) + ratio


def number(value: float) -> str:
    """Three significant digits without an exponent: 0.00123, 0.123, 1.23, 12,346."""
    if value < 0.001:
        return "<0.001"
    return f"{value:,.0f}" if value >= 100 else f"{value:#.3g}"
