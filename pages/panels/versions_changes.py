"""What a version changes in everybody's list: who keeps how much, and which movies rise and fall."""

import math
from collections.abc import Sequence

import altair as alt
import streamlit as st

from engine.recommending.changes import ListChanges, MovieChange
from engine.services import Services
from engine.words import counted
from pages.ui import charts, links, tables


def changes(services: Services, version: int, baseline: int) -> None:
    """Make everybody's list with both versions, then show what differs."""
    what = f"Making lists with versions {baseline} and {version}"
    bar = st.progress(0, text=what)
    shown = 0

    def progress(done: float) -> None:
        nonlocal shown
        if int(20 * done) > shown:
            shown = int(20 * done)
            bar.progress(5 * shown, text=what)

    both = [(number, services.versions.bundle(number)) for number in (version, baseline)]
    found = services.recommendations.changes(both[0], both[1], progress)
    bar.empty()
    st.markdown(summary(found))
    if not found.risen and not found.fallen:
        return
    overlap(found)
    for title, movies in (("Rise most", found.risen), ("Fall most", found.fallen)):
        if movies:
            st.markdown(f"**{title}**")
            tables.table(_movies(movies, found), f"Movies that {title.lower()} with version {found.version}")
    if found.most_changed:
        st.markdown("**Change most**")
        people: list[dict[str, object]] = [
            {"Person": links.person(one.user_id), "Movies that stay": f"{one.kept} of 10"} for one in found.most_changed
        ]
        tables.table(people, f"People whose lists change most with version {found.version}")


def summary(found: ListChanges) -> str:
    """How much stays, in a sentence."""
    who = counted(found.people, "person", "people")
    of_all = f" drawn at random from {found.out_of:,}" if found.people < found.out_of else ""
    if not found.people:
        return "Nobody has rated anything yet."
    if not found.risen and not found.fallen and found.kept[-1] == found.people:
        return f"All of {who}{of_all} keep their ten movies."
    kept = sum(number * people for number, people in enumerate(found.kept)) / found.people
    whole = f"{found.kept[-1] / found.people:.0%} keep all ten, perhaps in another order"
    return f"Of ten movies {math.floor(10 * kept) / 10:.1f} stay on average, over the lists of {who}{of_all}; {whole}."


def overlap(found: ListChanges) -> None:
    """Bars: people by the number of movies that stay."""
    rows = [{"kept": number, "people": people} for number, people in enumerate(found.kept)]
    chart = (
        alt.Chart(charts.data(rows), height=180)
        .mark_bar(cornerRadiusTopLeft=3, cornerRadiusTopRight=3)
        .encode(
            x=alt.X("kept:O", title="Movies of ten that stay", axis=alt.Axis(labelAngle=0)),
            y=alt.Y("people:Q", title="People", axis=alt.Axis(format=",d", tickCount=4, tickMinStep=1)),
            tooltip=charts.tooltips(("kept:O", "Movies that stay"), ("people:Q", "People", ",d")),
        )
    )
    most = max(rows, key=lambda row: row["people"])
    told = f"Bar chart of people by the number of movies that stay. Most keep {most['kept']}."
    name = f"Movies that stay with version {found.version}"
    charts.show(chart, told, name, key=f"changes {found.version} {found.baseline}")


def _movies(movies: Sequence[MovieChange], found: ListChanges) -> list[dict[str, object]]:
    return [
        {
            "Movie": links.movie(one.movie.title, one.movie.movie_id),
            f"Version {found.baseline}": f"{one.before:,}",
            f"Version {found.version}": f"{one.after:,}",
            "Lists": f"{one.after - one.before:+,}",
        }
        for one in movies
    ]
