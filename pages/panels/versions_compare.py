"""Two or more versions beside each other: what was measured, what differs beyond chance, and the lists of one user."""

from __future__ import annotations

from collections.abc import Sequence, Set
from typing import Any

import streamlit as st

from engine.data.catalogue import Movie
from engine.recommending.lists import ImaginedItem
from engine.services import Services
from engine.services.version_records import VersionSummary
from engine.services.versions import Comparison, ListedMovie, VersionList
from engine.words import listed
from pages.panels import versions_trend
from pages.ui import metrics, session, tables, user_picker
from pages.ui.escape import markup, text
from pages.ui.page import errors_shown

MEASURED, LISTS = "What was measured", "Lists of one user"
LISTED = 10
LIST_WIDTH = 260
SIGNS = {"better": "▲ better", "worse": "▼ worse", "no difference shown": "no difference shown"}
WHEN_CALLED = (
    "A difference is called where its 95% interval leaves out 0 and p is below 0.05; of fewer than ten users"
    " there is no interval, and nothing is called. Each metric is judged by itself:"
    " of twenty that do not differ, one may still be called."
)


@st.fragment
def comparison(services: Services, versions: Sequence[VersionSummary]) -> None:
    """Everything about the difference between versions; ``versions`` are two or more.

    Only the open tab is worked out: for lists, every version is read from the store.
    """
    numbers = [version.version for version in versions]
    st.subheader(f"Versions {listed(numbers)}", anchor=False)
    baseline = _baseline(versions)
    measured, lists = st.tabs([MEASURED, LISTS], key=session.COMPARED, on_change="rerun")
    if measured.open:
        with measured, errors_shown():
            _compared(services.versions.compare(numbers, baseline))
            st.markdown("**Every metric with its 95% interval**")
            _metrics(versions, baseline)
    if lists.open:
        with lists:
            _lists(services, versions, baseline)


def _baseline(versions: Sequence[VersionSummary]) -> int:
    numbers = [version.version for version in versions]
    serving = [version.version for version in versions if version.active]
    chosen = st.selectbox(
        "Compared with",
        numbers,
        index=numbers.index((serving or [min(numbers)])[0]),
        format_func=lambda number: f"Version {number}{' (serves)' if number in serving else ''}",
        key=session.baseline(numbers),
        width=240,
    )
    return int(chosen)


def _compared(found: Sequence[Comparison]) -> None:
    """What was found in words, as charts and as tables."""
    for one in found:
        st.info(f"**{_pair(one)}.** {text(one.text)}", icon=":material/balance:")
    names = in_order({name for one in found for name in one.differences})
    if not names:
        return
    differ = [name for name in names if any(not equal(one, name) for one in found)]
    if differ:
        st.markdown("**Differences with their 95% intervals**")
        versions_trend.differences(found, differ)
    for one in found:
        rows = [_row(name, one) for name in differ if name in one.differences]
        if rows:
            st.markdown(f"**{_pair(one)}**")
            tables.table(
                rows, f"{_pair(one)}: difference of each metric with its interval, p-value and verdict", grid=True
            )
    if differ != names:
        same = ", ".join(metrics.measure(name).label for name in names if name not in differ)
        st.caption(f"The same for every user: {text(same)}.")
    st.caption(WHEN_CALLED)


def _pair(one: Comparison) -> str:
    return f"Version {one.version} beside version {one.baseline}"


def equal(one: Comparison, name: str) -> bool:
    """Whether no user's value differs, or the metric is not compared at all."""
    found = one.differences.get(name)
    return found is None or metrics.same(found)


def in_order(names: Set[str]) -> list[str]:
    """Names of metrics in the order of ``measures``, those it does not know last."""
    return [name for name in metrics.MEASURES if name in names] + sorted(names - metrics.MEASURES.keys())


def _row(name: str, one: Comparison) -> dict[str, Any]:
    how, found = metrics.measure(name), one.differences[name]
    return {
        "Metric": how.label,
        "Verdict": SIGNS[found.verdict],
        "Difference": f"{how.change(found.difference)} ({how.between(found)})",
        "p": chance(found.p_value),
        f"Version {one.version}": how.show(found.value),
        f"Version {one.baseline}": how.show(found.baseline),
        "Users": f"{found.users:,}",
    }


def chance(p_value: float) -> str:
    """A p-value with as many digits as count."""
    return "below 0.001" if p_value < 0.001 else f"{p_value:.3f}"


def _metrics(versions: Sequence[VersionSummary], baseline: int) -> None:
    """One row for each metric, one column for each version, the baseline first; on its own held-out ratings."""
    ordered = sorted(versions, key=lambda version: (version.version != baseline, -version.version))
    names = in_order({name for version in versions for name in version.metrics})
    if not names:
        st.caption("None of them was measured.")
        return
    rows = [
        {"Metric": metrics.measure(name).label}
        | {f"Version {version.version}": _measured(name, version) for version in ordered}
        | {"": metrics.measure(name).direction}
        for name in names
    ]
    tables.table(rows, "Metrics of each version with their 95% intervals", grid=True)
    st.caption("Each on the ratings held out from it; the differences above are of users whose held-out ratings agree.")


def _measured(name: str, version: VersionSummary) -> str:
    how, found = metrics.measure(name), version.metrics.get(name)
    return "–" if found is None else f"{how.show(found.value)} ({how.between(found)})"


def _lists(services: Services, versions: Sequence[VersionSummary], baseline: int) -> None:
    """What each version lists for one user, and what came, left and moved against the baseline."""
    ready = sorted(
        (one.version for one in versions if one.state == "ready"), key=lambda number: (number != baseline, -number)
    )
    gone = [one.version for one in versions if one.state != "ready"]
    if gone:
        st.caption(f"Left out, since their arrays are gone: {listed(gone)}.")
    if len(ready) < 2:
        st.info("Tick two versions that can serve to see their lists.", icon=":material/playlist_remove:")
        return
    with errors_shown():
        user_id = user_picker.pick_user(services.library)
        if user_id is None:
            st.info("Choose a user to see their lists side by side.", icon=":material/person_search:")
            return
        st.caption(f"Changes are against version {ready[0]}: places a movie rose or fell, or that it is new.")
        grid = st.grid(min_column_width=LIST_WIDTH)
        for one in services.versions.lists(user_id, ready, LISTED):
            with grid.cell():
                _list(one, ready[0])


def _list(one: VersionList, baseline: int) -> None:
    first = one.version == baseline
    places = "".join(
        f"<tr><th>{item.rank}. {markup(titled(item.movie))}</th><td>{'' if first else moved(item.change)}</td></tr>"
        for item in one.items
    )
    left = "".join(f"<tr><th>{markup(titled(movie))}</th></tr>" for movie in one.left)
    st.html(
        f'<div class="mq-facts"><table><caption>{told(one, baseline)}</caption><tbody>{places}</tbody></table></div>'
    )
    if left:
        st.html(f'<div class="mq-facts"><table><caption>Left</caption><tbody>{left}</tbody></table></div>')


def told(one: VersionList, baseline: int) -> str:
    """What a list is against that of the baseline."""
    new, places = changes(one.items)
    what = f"{new} came, {len(one.left)} left, {places} moved" if new or one.left or places else "the same list"
    return f"Version {one.version}: " + ("the others are compared with it" if one.version == baseline else what)


def changes(items: Sequence[ListedMovie | ImaginedItem]) -> tuple[int, int]:
    """How many movies of a list are new in it, and how many have another place."""
    return sum(item.change is None for item in items), sum(bool(item.change) for item in items)


def titled(movie: Movie) -> str:
    """Title and year."""
    return movie.title if movie.year is None else f"{movie.title} ({movie.year})"


def moved(change: int | None) -> str:
    """How a place changed."""
    if change is None:
        return "new"
    return f"▲ {change}" if change > 0 else f"▼ {-change}" if change < 0 else "="
