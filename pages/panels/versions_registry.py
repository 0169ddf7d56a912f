"""The registry: table of versions, details of one, deployment history, and import."""

from collections.abc import Mapping, Sequence
from typing import Any

import streamlit as st

from engine.services.version_files import VersionFileService
from engine.services.version_records import MAX_NOTE_LENGTH, VersionSummary
from engine.services.versions import VersionService
from engine.words import counted
from pages.panels import versions_golden
from pages.panels.versions_newcomers import newcomers
from pages.panels.versions_ranking import ranking
from pages.ui import links, metrics, preferences, session, tables, verdict
from pages.ui.escape import text
from pages.ui.format import hyperparameters, model_name, when
from pages.ui.page import errors_shown, rerun_with
from pages.ui.runs import actor, link

COLORS = {"Active": "green", "Ready": "blue", "Damaged": "red", "Deleted": "gray"}
GONE = {
    "damaged": "Its arrays are damaged, so it can't be activated. Its metrics are kept.",
    "deleted": "Its arrays were deleted, so it can't be activated. Its metrics are kept.",
}
BASELINES = (
    "Popular movies: those with most ratings in training, without what the person had rated. The gain is compared"
    " person by person. Random list: what movies drawn from the catalogue would be expected to reach."
)
USED = (
    "The version was judged on held-out ratings, then trained again on all of them with the settings under *Used*: the"
    " best number of epochs, and what was left to *auto*."
)
EXPORTS = ["zip"]
QUERY = "version"  # query parameter: the selected versions
NOTE_PX = 175  # left beside the metrics in a window of 1280 pixels
PROTOCOL = {
    "split": "held-out ratings",
    "k": "list length",
    "lowest": "lowest possible rating",
    "highest": "highest possible rating",
    "movie_mean_rmse": "RMSE of each movie's mean",
    "relevant_from": "counts as liked from",
    "train_ratings": "number of training ratings",
    "test_ratings": "number of held-out ratings",
    "test_fingerprint": "fingerprint of the held-out ratings",
    "users_with_lists": "people with evaluated lists",
    "users_drawn_from": "people they were drawn from",
    "catalogue": "movies that can be listed",
    "interval": "intervals",
    "seed": "seed of the intervals",
    "personal_from": "ratings needed for a personal list",
}


def state(version: VersionSummary) -> str:
    """The state in one word."""
    return "Active" if version.active else version.state.capitalize()


def table(versions: Sequence[VersionSummary]) -> list[VersionSummary]:
    """All versions, newest first; returns the selected ones, by default the active one."""
    st.header("All versions", anchor=False)
    rows = {version.version: _row(version) for version in versions}
    for name in ("Verdict", "Tags", "Note"):  # empty text columns are left out
        if not any(row[name] for row in rows.values()):
            rows = {number: {key: row[key] for key in row if key != name} for number, row in rows.items()}
    asked = (part.strip() for part in st.query_params.get(QUERY, "").split(","))
    if unknown := [part for part in asked if part and part not in map(str, rows)]:
        st.warning(f"There is no version {', '.join(map(text, unknown))}.", icon=":material/search_off:")
    selected = tables.select_many(
        rows,
        key=session.VERSION,
        name=QUERY,
        columns=_columns(),
        alt="Model versions, newest first",
    )
    st.caption("Select one version for details, two or more to compare them. Click a heading to sort.")
    active = next((version for version in versions if version.active), versions[0])
    return [version for version in versions if version.version in selected] or [active]


def _row(version: VersionSummary) -> dict[str, object]:
    status = state(version)
    row: dict[str, object] = {
        "Version": version.version,
        "State": f"● {status}" if version.active else status,
        "Verdict": verdict.label(version.verdict) if version.verdict else "",
    }
    for name in metrics.KEY_MEASURES:
        how, found = metrics.measure(name), version.metrics.get(name)
        row[how.label] = None if found is None else found.value * (100 if how.percent else 1)
    words = {"Model": model_name(version.kind), "Note": version.note, "Trained": when(version.created_at)}
    return row | words | {"Tags": ", ".join(version.tags), "Ratings": version.ratings, "MB": version.size_bytes / 1e6}


def _columns() -> dict[str, Any]:
    """Numeric columns stay numeric, so that they sort by value."""
    number = st.column_config.NumberColumn
    measured = {
        how.label: number(format="%.1f%%" if how.percent else "%.4f", help=f"{how.meaning} {how.direction}")
        for how in map(metrics.measure, metrics.KEY_MEASURES)
    }
    sizes = {"Version": number(width=65), "Ratings": number(format="localized"), "MB": number(format="%.1f")}
    words = {name: st.column_config.TextColumn(width=NOTE_PX) for name in ("Note", "Tags")}
    return measured | sizes | words


def heading(version: VersionSummary) -> None:
    """Number, state, tags, training data and note."""
    with st.container(horizontal=True, vertical_alignment="center", gap="small"):
        st.header(f"Version {version.version}", anchor=False, width="content")
        status = state(version)
        badges = [f":{COLORS.get(status, 'gray')}-badge[{text(status)}]"]
        badges += [verdict.badge(version.verdict)] if version.verdict else []
        badges += [f":gray-badge[:material/sell: {text(tag)}]" for tag in version.tags]
        st.markdown(" ".join(badges), width="content")
    since = f" Active since {when(version.activated_at)}." if version.active and version.activated_at else ""
    where = f" in the table {text(version.protocol['table'])}, outside Marquee" if "table" in version.protocol else ""
    people = counted(version.users, "person", "people")
    st.caption(
        f"Trained on {version.ratings:,} ratings of {version.movies:,} movies by {people}{where}."
        f" {version.size_bytes / 1e6:,.1f} MB.{since}"
    )
    if version.state in GONE:
        st.warning(GONE[version.state], icon=":material/inventory_2:")
    if version.note:
        st.markdown(text(version.note))


def details(versions: VersionService, version: VersionSummary) -> None:
    """Tabs with everything about one version."""
    measured, judged, settings, lists, origin, words = st.tabs(
        ["Metrics", "Verdict", "Hyperparameters", "Ranking", "Data and protocol", "Note and tags"]
    )
    with judged, errors_shown():
        _verdict(versions, version)
    with measured:
        if version.metrics:
            _measured(version)
            newcomers(version.newcomers, key=f"version {version.version} newcomers")
        else:
            st.caption("Not measured: there were too few ratings to hold any out.")
    with settings:
        rows = hyperparameters(version.kind, version.asked, version.hyperparameters)
        tables.table(rows, f"Hyperparameters of version {version.version}")
        st.caption(USED)
    with lists:
        ranking(version)
    with origin:
        _origin(version)
    with words, errors_shown():
        _describe(versions, version)


def _measured(version: VersionSummary) -> None:
    """The metrics beside lists that know nobody, where they were measured."""
    for sentence in version.shortfalls:
        st.warning(text(sentence), icon=":material/trending_down:")
    preferences.explain()
    shown = preferences.without_errors(version.metrics)
    floor = metrics.floors(version.baselines, version.protocol)
    tables.table(metrics.rows(shown, floor=floor), f"Metrics of version {version.version}", phone="scroll")
    if floor:
        st.caption(metrics.DRAWN)
    if version.baselines:
        st.markdown("**Lists beside popular movies**")
        st.caption(BASELINES)
        tables.table(metrics.beside(version.baselines), f"Baselines of version {version.version}", phone="scroll")


def _verdict(versions: VersionService, version: VersionSummary) -> None:
    judgement = versions.judgement(version.version)
    if judgement is None:
        st.caption("No verdict: the version was imported, or trained by an earlier version of Marquee.")
        return
    verdict.show(judgement, judgement.text)
    verdict.whom(judgement)
    then = f"Golden people when version {version.version} was trained"
    versions_golden.results(versions.golden(version.version), then)
    verdict.evidence(judgement, key=f"version {version.version}")


def _origin(version: VersionSummary) -> None:
    facts: dict[str, object] = {"data fingerprint": version.data_fingerprint}
    if version.digest:
        facts["array digest"] = version.digest
    tables.pairs(facts | protocol(version.protocol), f"Data and protocol of version {version.version}")
    if version.run_id is None:
        st.caption("Imported from a file, so there is no training run to show.")
    else:
        link(version.run_id)


def protocol(measured: Mapping[str, Any]) -> dict[str, object]:
    """How a version was measured; entries unknown here keep their name."""
    return {
        PROTOCOL.get(name, name): f"{value:,}" if type(value) is int and name != "seed" else _in_words(value)
        for name, value in measured.items()
        if not isinstance(value, Mapping)  # shown elsewhere
    }


def _in_words(value: object) -> object:
    """Stored texts say "user", which comparisons of versions depend on."""
    return value.replace("each user's", "each person's").replace("users", "people") if isinstance(value, str) else value


def _describe(versions: VersionService, version: VersionSummary) -> None:
    known = sorted({tag for one in versions.list() for tag in one.tags})
    with st.form(f"describe {version.version}", border=False):
        note = st.text_area(
            "Note",
            version.note,
            max_chars=MAX_NOTE_LENGTH,
            key=session.description("note", version.version),
            placeholder="What is special about this version",
        )
        tags = st.multiselect(
            "Tags",
            known,
            list(version.tags),
            accept_new_options=True,
            key=session.description("tags", version.version),
            placeholder="Choose or type tags",
            help="Versions with tags are never removed to make room for new ones.",
        )
        if st.form_submit_button("Save", key=session.SAVE_DESCRIPTION, icon=":material/save:"):
            versions.describe(version.version, note=note, tags=tags)
            rerun_with(f"Saved note and tags of version {version.version}.")


def ledger(records: Sequence[Any]) -> None:
    """Which version was active from when, who activated it and why."""
    rows = [
        {
            "Since": when(one.activated_at),
            "Version": links.version(one.version),
            "By": actor(one.actor),
            "Reason": verdict.plain(one.reason),
        }
        for one in records
    ]
    if rows:
        tables.table(rows, "Deployment history, newest first")
    else:
        st.caption("No version has been active yet.")


def import_panel(files: VersionFileService) -> None:
    """Import a version exported here or by another Marquee."""
    with (
        st.expander("Import a version", icon=":material/upload_file:"),
        errors_shown(),
        st.form("import a version", clear_on_submit=True, border=False),
    ):
        upload = st.file_uploader(
            "Exported version",
            type=EXPORTS,
            key=session.VERSION_FILE,
            help="Every array is checked against its hash. It must know the people and movies stored here.",
        )
        if st.form_submit_button("Import", key=session.IMPORT_VERSION, icon=":material/upload:"):
            if upload is None:
                st.warning("Choose a file.", icon=":material/info:")
            else:
                number = files.import_file(upload, actor="you")
                st.session_state[session.VERSION] = [number]
                st.query_params[QUERY] = str(number)
                rerun_with(f"Version {number} imported. Activate it when you are ready.")
