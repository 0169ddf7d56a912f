"""The next step, and what a page shows before it can work."""

from dataclasses import dataclass

import streamlit as st

from engine.services import Services
from engine.services.version_records import VersionSummary
from engine.training.drift import MANY
from engine.words import counted
from pages.ui import progress

IMPORT = ("imports.py", "Open Import", ":material/upload_file:")
TRAINING = ("training.py", "Open Training", ":material/model_training:")
VERSIONS = ("versions.py", "Open Versions", ":material/inventory_2:")
RECOMMEND = ("recommend.py", "Open Recommend", ":material/movie:")
NEWEST = 10
"""Versions among which one may wait for somebody to activate it."""
NO_MOVIES = "The catalogue is empty. Import ratings, or a table of movies."


@dataclass(frozen=True)
class Step:
    """A step, why it is the next one, and the page for it: its file, the link's label and icon."""

    title: str
    text: str
    page: tuple[str, str, str]


def next_steps(services: Services, *, busy: bool) -> None:
    """Show the next step, or that it is under way."""
    step = _choose(services, busy=busy)
    file, label, icon = step.page
    with st.container(border=True):
        st.markdown(f"**{step.title}**")
        st.markdown(step.text)
        st.page_link(file, label=label, icon=icon)


def _choose(services: Services, *, busy: bool) -> Step:
    """What keeps other things waiting comes first."""
    ratings = services.library.counts().ratings
    if waiting := progress.waiting_jobs(services):
        return _answer(len(waiting[-1].questions or ()))
    if not ratings:
        return _import(services, busy=busy)
    if services.serving.active_version() is None:
        text = (
            "Recommendations appear as soon as it is ready."
            if busy
            else "The ratings are in. Train a version to get recommendations; with the demo it takes a minute."
        )
        return Step("Training the first version" if busy else "Train the first version", text, TRAINING)
    active = services.versions.active()
    if active is not None and not busy and services.serving.knows_nobody():
        text = f"The ratings that version {active.version} learned are gone. Train one on those that are here now."
        return Step("Train again", text, TRAINING)
    outside = active is not None and "table" in active.protocol  # it learned none of the store's ratings
    if active is not None and not outside and not busy and ratings > (1 + MANY) * active.ratings:
        text = f"Version {active.version} learned {active.ratings:,} of {ratings:,} ratings. Train one on all of them."
        return Step("Train again", text, TRAINING)
    if busy:
        return _going_on(services)
    if active is not None and (better := _waiting(services, active)) is not None:
        text = f"Its verdict was Promote, and it was saved without activation. Version {active.version} is active."
        return Step(f"Activate version {better}?", text, VERSIONS)
    if services.library.counts().users == 1:
        alone = "Recommendations come from comparing people, and there is only one here. Import ratings of others"
        demo = ", or the demo as company." if services.imports.has_demo() else "."
        return Step("Add more people", alone + demo, IMPORT)
    text = "Choose a person to see what Marquee recommends and why. Rate a movie and watch the list change."
    return Step("Nothing to do", text, RECOMMEND)


def _waiting(services: Services, active: VersionSummary) -> int | None:
    """The newest version that was found to be better than what served then, and never served."""
    for one in services.versions.list(NEWEST):
        never_served = one.version > active.version and one.state == "ready" and one.activated_at is None
        if never_served and one.verdict == "PROMOTE":
            return one.version
    return None


def _going_on(services: Services) -> Step:
    """Work while a version serves."""
    meanwhile = f"Version {services.serving.active_version()} serves meanwhile."
    job = progress.running_job(services)
    if job is not None:
        return Step(f"{progress.job_name(job)} in progress", meanwhile, IMPORT)
    return Step("Training a version", f"{meanwhile} The verdict will be among the notices.", TRAINING)


def _answer(questions: int) -> Step:
    if not questions:
        return Step("Confirm your import", "It is scanned, and nothing is written yet.", IMPORT)
    return Step(
        "Answer your import", f"It waits for {counted(questions, 'answer')}, and nothing is written yet.", IMPORT
    )


def _import(services: Services, *, busy: bool) -> Step:
    version = services.serving.active_version()
    if busy:
        which = "The first" if version is None else "A new"
        return Step("Importing ratings", f"{which} version is trained automatically afterwards.", IMPORT)
    sources = "your own ratings or the demo" if services.imports.has_demo() else "your ratings"
    if version is None:
        text = f"Marquee is empty. Import {sources}; the first version is then trained automatically."
    else:
        text = (
            f"There are no ratings, so version {version} has nothing to recommend. Import {sources}. If that version"
            " knows none of the people in them, a new one is then trained automatically."
        )
    return Step("Import ratings", text, IMPORT)


def require_version(services: Services) -> None:
    """Show the next step and end the page if no version is active, or there is no movie to list."""
    if services.serving.active_version() is not None and services.library.counts().movies:
        return
    next_steps(services, busy=progress.expecting(services))
    st.stop()


def require_ratings(services: Services, missing: str = "No ratings to train on yet.") -> bool:
    """Whether there are ratings; if not, what is missing and a link to the import are shown."""
    if services.library.counts().ratings:
        return True
    st.info(missing, icon=":material/inbox:")
    st.page_link("imports.py", label="Import ratings", icon=":material/upload_file:")
    return False
