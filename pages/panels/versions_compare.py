"""Comparing versions: metrics, significant differences, and their lists for one user."""

from collections.abc import Sequence, Set
from typing import Any

import streamlit as st

from engine.data.catalogue import Movie
from engine.recommending.lists import ImaginedItem
from engine.services import Services
from engine.services.version_records import VersionSummary
from engine.services.versions import Comparison, ListedMovie, VersionList, VersionService
from engine.words import listed
from pages.panels import versions_changes
from pages.ui import charts, links, metrics, preferences, ranges, runs, session, tables, user_picker
from pages.ui.escape import text
from pages.ui.links import Link
from pages.ui.page import errors_shown

METRICS, LISTS, EVERYBODY = "Metrics", "Lists of one person", "Lists of everybody"
BASELINE = "baseline"  # query parameter
LISTED = 10
LIST_WIDTH = 260
SIGNS = {"better": "▲ better", "worse": "▼ worse", "no difference shown": "no difference shown"}
SIGNIFICANCE = (
    "A difference is marked if its 95% interval excludes 0 and p is below 0.05. With fewer than ten people there is no"
    " interval, and nothing is marked. Each metric is tested by itself: about one in twenty with no real"
    " difference is marked by chance."
)


@st.fragment
def comparison(services: Services, versions: Sequence[VersionSummary]) -> None:
    """Differences between two or more versions.

    Only the open tab is computed: lists load every version from the store.
    """
    numbers = [version.version for version in versions]
    st.header(f"Versions {listed(numbers)}", anchor=False)
    baseline = _baseline(versions)
    tabs = st.tabs([METRICS, EVERYBODY, LISTS], key=session.COMPARED, on_change="rerun")
    metrics_tab, everybody_tab, lists_tab = tabs
    if metrics_tab.open:
        with metrics_tab, errors_shown():
            _differences(services.versions.compare(numbers, baseline), services.versions)
            st.markdown("**Each version on its own held-out ratings**")
            _metrics(versions, baseline)
    if everybody_tab.open:
        with everybody_tab:
            _effects(services, versions, baseline)
    if lists_tab.open:
        with lists_tab:
            _lists(services, versions, baseline)


def _baseline(versions: Sequence[VersionSummary]) -> int:
    """The version that the others are compared with, which the address keeps: ``?baseline=2``."""
    numbers = [version.version for version in versions]
    active = [version.version for version in versions if version.active]
    usual = (active or [min(numbers)])[0]
    asked = tables.query_number(BASELINE)
    chosen = st.selectbox(
        "Baseline",
        numbers,
        index=numbers.index(asked if asked in numbers else usual),
        format_func=lambda number: f"Version {number}{' (active)' if number in active else ''}",
        key=session.baseline(numbers, usual),
        width=240,
    )
    if chosen == usual:
        st.query_params.pop(BASELINE, None)
    else:
        st.query_params[BASELINE] = str(chosen)
    return int(chosen)


def _differences(comparisons: Sequence[Comparison], versions: VersionService) -> None:
    """For each version the differences in words and as a table."""
    for one in comparisons:
        st.info(f"**{_pair(one)}.** {text(one.text)}", icon=":material/balance:")
        effect = versions.effect(one.version)
        if effect is not None and effect.baseline == one.baseline:
            runs.effect(effect)
        names = in_order(preferences.without_errors(one.differences).keys())
        rows = [_row(name, one) for name in names if not identical(one, name)]
        if rows:
            caption = f"{_pair(one)}: verdict, difference, interval, values and p-value of each metric"
            tables.table(rows, caption, phone="scroll")
        if len(rows) < len(names):
            same = ", ".join(metrics.measure(name).label for name in names if identical(one, name))
            st.caption(f"Identical for everybody: {text(same)}.")
    if any(one.differences for one in comparisons):
        st.caption(SIGNIFICANCE)


def _pair(one: Comparison) -> str:
    return f"Version {one.version} vs. version {one.baseline}"


def identical(one: Comparison, name: str) -> bool:
    """Whether a metric is identical for every user, or not compared at all."""
    found = one.differences.get(name)
    return found is None or metrics.same(found)


def in_order(names: Set[str]) -> list[str]:
    """Names of metrics in their usual order, unknown ones last."""
    return [name for name in metrics.MEASURES if name in names] + sorted(names - metrics.MEASURES.keys())


def _row(name: str, one: Comparison) -> dict[str, Any]:
    how, found = metrics.measure(name), one.differences[name]
    return {
        "Metric": metrics.explained(name),
        "Verdict": SIGNS[found.verdict],  # before the numbers, so that a phone shows it
        "Difference": how.change(found.difference),
        "95% interval": ranges.difference(found, how.between(found)),
        f"Version {one.baseline}": how.show(found.baseline),
        f"Version {one.version}": how.show(found.value),
        "p": p_value(found.p_value),
        "People": f"{found.users:,}",
    }


def p_value(p: float) -> str:
    """A p-value with its significant digits."""
    return "< 0.001" if p < 0.001 else f"{p:.3f}"


def _metrics(versions: Sequence[VersionSummary], baseline: int) -> None:
    """One row a metric, one column a version, baseline first; each on its own held-out ratings."""
    ordered = sorted(versions, key=lambda version: (version.version != baseline, -version.version))
    names = in_order({name for version in versions for name in preferences.without_errors(version.metrics)})
    if not names:
        st.caption("These versions have no metrics.")
        return
    rows = [
        {"Metric": metrics.explained(name)}
        | {f"Version {version.version}": _value(name, version, ordered) for version in ordered}
        for name in names
    ]
    tables.table(rows, "Metrics of each version with 95% intervals", phone="scroll")
    st.caption("Bars are 95% intervals. The differences above use only people with the same held-out ratings in both.")


def _value(name: str, version: VersionSummary, versions: Sequence[VersionSummary]) -> object:
    """A metric, above its interval on the scale of all versions."""
    how, found = metrics.measure(name), version.metrics.get(name)
    if found is None:
        return "–"
    known = [one.metrics[name] for one in versions if name in one.metrics]
    ends = [end for one in known for end in charts.ends(one).values()]
    drawn = ranges.value(found, ends, how.between(found), marked=False)
    shown = how.show(found.value)
    return tables.Drawn(f"{shown}{drawn.html}", f"{shown} ({drawn.text})")


def _effects(services: Services, versions: Sequence[VersionSummary], baseline: int) -> None:
    """What each version would change in the lists of the baseline, measured now."""
    ready = _ready(versions, baseline)
    for number in ready[1:]:
        st.markdown(f"**Version {number} vs. version {ready[0]}**")
        with errors_shown():
            versions_changes.changes(services, number, ready[0])


def _ready(versions: Sequence[VersionSummary], baseline: int) -> list[int]:
    """The intact versions, baseline first; none where fewer than two are left, which is said."""
    ready = sorted(
        (one.version for one in versions if one.state == "ready"), key=lambda number: (number != baseline, -number)
    )
    gone = [one.version for one in versions if one.state != "ready"]
    if gone:
        st.caption(f"Not shown, because their arrays are gone: {listed(gone)}.")
    if len(ready) < 2:
        st.info("Select two intact versions to compare their lists.", icon=":material/playlist_remove:")
        return []
    return ready


def _lists(services: Services, versions: Sequence[VersionSummary], baseline: int) -> None:
    """Each version's list for one user, and its changes from the baseline's."""
    ready = _ready(versions, baseline)
    if not ready:
        return
    with errors_shown():
        user_id = user_picker.pick_user(services.library)
        if user_id is None:
            st.info("Choose a person to see their lists side by side.", icon=":material/person_search:")
            return
        st.caption(f"Changes from version {ready[0]}: ranks gained or lost, and new movies.")
        grid = st.grid(min_column_width=LIST_WIDTH)
        lists = services.versions.lists(user_id, ready, LISTED)
        for one in lists:
            with grid.cell():
                _list(one, ready[0])
        tables.offer(
            [
                {"Version": one.version, "Place": item.rank, "Movie": titled(item.movie), "Id": item.movie.movie_id}
                for one in lists
                for item in one.items
            ],
            f"Lists of {user_id}",
        )


def _list(one: VersionList, baseline: int) -> None:
    first = one.version == baseline
    rows = [(placed(item.rank, item.movie), "" if first else movement(item.change)) for item in one.items]
    tables.facts(rows, caption=summary(one, baseline))
    if one.left:
        tables.facts([(links.movie(titled(movie), movie.movie_id),) for movie in one.left], caption="Dropped")


def summary(one: VersionList, baseline: int) -> str:
    """How a list differs from the baseline's."""
    if one.version == baseline:
        return f"Version {one.version}: baseline"
    new, places = changes(one.items)
    differs = new or one.left or places
    return f"Version {one.version}: " + (
        f"{new} new, {len(one.left)} dropped, {places} moved" if differs else "the same list"
    )


def changes(items: Sequence[ListedMovie | ImaginedItem]) -> tuple[int, int]:
    """Number of new movies, and of movies with another rank."""
    return sum(item.change is None for item in items), sum(bool(item.change) for item in items)


def placed(rank: int, movie: Movie) -> Link:
    """A place of a list, which leads to the movie."""
    return links.movie(f"{rank}. {titled(movie)}", movie.movie_id)


def titled(movie: Movie) -> str:
    """Title and year."""
    return movie.title if movie.year is None else f"{movie.title} ({movie.year})"


def movement(change: int | None) -> str:
    """Change of rank as a sign."""
    if change is None:
        return "new"
    return f"▲ {change}" if change > 0 else f"▼ {-change}" if change < 0 else "="
