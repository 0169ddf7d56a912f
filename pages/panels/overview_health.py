"""Health at a glance: what serves, what it has not learned, the traffic, the next run, and what needs a person."""

from dataclasses import dataclass
from typing import Any

import streamlit as st

from engine.services import Services
from engine.services.traffic import Traffic
from engine.services.version_records import VersionSummary
from engine.words import counted, listed
from pages.ui.escape import text
from pages.ui.format import duration, when

PLAIN: dict[str, Any] = {"delta_color": "off", "delta_arrow": "off"}
TILE_WIDTH = 130  # three a row on a desktop, two on a phone
HOUR_S, DAY_S = 3600, 86_400
NOTICES = ("notices.py", "Open Notices", ":material/notifications:")


@dataclass(frozen=True)
class Need:
    """Something a person has to do, and the page for it: its file, the link's label and icon."""

    text: str
    page: tuple[str, str, str]


def health(services: Services, now: float) -> None:
    """Tiles once a version serves, and a line for everything that needs a person. ``now``: Unix seconds."""
    active = services.versions.active()
    if active is not None:
        _tiles(services, active, now)
    for need in needs(services):
        file, label, icon = need.page
        with st.container(horizontal=True, vertical_alignment="center", gap="small"):
            st.markdown(f":orange-badge[:material/warning: Needs you] {text(need.text)}", width="content")
            st.page_link(file, label=label, icon=icon, width="content")


def _tiles(services: Services, active: VersionSummary, now: float) -> None:
    grid = st.grid(3, min_column_width=TILE_WIDTH, border=True)
    _serving(grid, active, now)
    plan = services.automation.plan()
    ratings = services.library.counts().ratings
    share = f"{plan.ratings_since / ratings:.1%} of all" if ratings else None
    grid.metric(
        "New ratings",
        f"{plan.ratings_since:,}",
        share,
        **PLAIN,
        help="Ratings that the newest version has not learned. They count in lists at once, by instant updates.",
    )
    _traffic(grid, services.traffic.last_hour())
    grid.metric(
        "Next training",
        "Paused" if plan.next_run is None else f"in {age(max(plan.next_run - now, 0.0))}",
        None if plan.next_run is None else f"at {when(plan.next_run)[11:]}",
        **PLAIN,
        help="The next automatic training"
        + ("." if plan.next_run is None else f", {when(plan.next_run)} in your browser's time zone."),
    )


def _serving(grid: Any, active: VersionSummary, now: float) -> None:
    since = active.activated_at
    grid.metric(
        "Active version",
        str(active.version),
        None if since is None else f"for {age(max(now - since, 0.0))}",
        **PLAIN,
        help="It makes all lists." if since is None else f"Active since {when(since)}.",
    )


def age(seconds: float) -> str:
    """How long something has lasted, in the largest unit that fits: ``12 s``, ``12 min``, ``5 h``, ``3 days``."""
    if seconds < HOUR_S:
        return f"{int(seconds // 60)} min" if seconds >= 60 else f"{int(seconds)} s"
    return f"{int(seconds // HOUR_S)} h" if seconds < 2 * DAY_S else counted(int(seconds // DAY_S), "day")


def _traffic(grid: Any, found: Traffic) -> None:
    """Three tiles: lists and ratings a second, and errors."""
    when_counted = f"in the last {duration(found.seconds)}"
    slowest = None if found.p99_s is None else f"p99 {found.p99_s * 1000:,.0f} ms"
    grid.metric(
        "Lists served",
        f"{rate(found.lists, found.seconds)}/s" if found.requests else "None",
        slowest,
        **PLAIN,
        help=f"{counted(found.lists, 'list')} by the API {when_counted}. p99: 99% of lists and ratings took no longer.",
    )
    grid.metric(
        "Ratings saved",
        f"{rate(found.ratings, found.seconds)}/s" if found.requests else "None",
        help=f"{counted(found.ratings, 'rating')} by the API {when_counted}.",
    )
    grid.metric(
        "Errors",
        f"{found.errors:,}",
        f"of {counted(found.requests, 'request')}" if found.requests else None,
        **PLAIN,
        help=f"Requests to the API {when_counted} that failed by Marquee's fault.",
    )


def rate(number: int, seconds: float) -> str:
    """Number a second with two significant digits; 0 for none."""
    return f"{number / seconds:,.0f}" if number >= 10 * seconds else f"{number / seconds:.2g}"


def needs(services: Services) -> list[Need]:
    """Everything that needs a person, the most urgent first."""
    found = []
    if dead := services.dead_workers():
        told = f"Background work has stopped: {listed(dead)}. The log says why; restart Marquee."
        found.append(Need(told, NOTICES))
    hook = services.inbox.webhook()
    if hook is not None and hook.failing_since is not None:
        told = f"The webhook has been failing since {when(hook.failing_since)}."
        found.append(Need(told, NOTICES))
    if dropped := services.answers.facts().dropped:
        told = f"{counted(dropped, 'list')} shown to people could not be kept since the start. The log says why."
        found.append(Need(told, NOTICES))
    if unread := services.inbox.unread():
        told = f"{counted(unread, 'notice')} not looked at yet."
        found.append(Need(told, NOTICES))
    return found
