"""The files and options of an import, kept in the session until it has succeeded, and the job that is followed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, NoReturn

import streamlit as st
from pydantic import ValidationError

from engine.data.plan import ImportOptions
from engine.errors import InvalidInput, UnknownJob
from engine.services.imports import ImportService
from engine.services.jobs import Job
from engine.services.records import JobState
from engine.services.uploads import UploadedFile
from pages.ui import session
from pages.ui.tables import query_number

if TYPE_CHECKING:
    from streamlit.runtime.uploaded_file_manager import UploadedFile as Upload


@dataclass
class Order:
    """What was ordered.

    Attributes:
        files: as dropped on the page.
        options: that were chosen, and answers that are options.
        job_id: of the import; None if it could not be ordered.
    """

    files: list[Upload]
    options: dict[str, Any] = field(default_factory=dict)
    job_id: int | None = None

    @property
    def ids(self) -> list[str]:
        """Identity of each file."""
        return [file.file_id for file in self.files]


def ordered(job: Job | None = None) -> Order | None:
    """The latest order of this session that still has its files; None if it is not the order of ``job``."""
    order: Order | None = st.session_state.get(session.IMPORT_ORDER)
    if order is None or not order.files or (job is not None and order.job_id != job.job_id):
        return None
    return order


def place(
    imports: ImportService, files: Sequence[Upload], options: Mapping[str, Any], *, with_demo: bool = False
) -> NoReturn:
    """Order an import in place of the one that is followed, and rerun.

    Args:
        imports: takes the order.
        files: as dropped.
        options: of the import.
        with_demo: whether the demo is imported first, and the list of the files' owner opens afterwards.

    Raises:
        InvalidInput: an option does not take its value.
        Conflict: too many imports wait.
    """
    checked, order = _checked(options), Order(list(files), dict(options))
    st.session_state[session.IMPORT_ORDER] = order
    discard(imports)
    if with_demo:
        imports.import_demo()
        st.session_state[session.HEADED_FOR] = options["user_id"]
    for file in order.files:
        file.seek(0)
    order.job_id = imports.import_files([UploadedFile(file.name, file) for file in order.files], checked)
    follow(order.job_id)


def _checked(options: Mapping[str, Any]) -> ImportOptions:
    try:
        return ImportOptions.model_validate({**options, "confirm": True})
    except ValidationError as error:
        fault = error.errors(include_url=False)[0]
        name = str(fault["loc"][0]) if fault["loc"] else "options"
        raise InvalidInput(
            f"{name.replace('_', ' ').capitalize()}: {fault['msg'].removeprefix('Value error, ')}.", field=name
        ) from error


def follow(job_id: int) -> NoReturn:
    """Show this job on the page, and rerun."""
    st.session_state[session.IMPORT_JOB] = job_id
    st.query_params["job"] = str(job_id)
    st.rerun()


def followed(imports: ImportService) -> Job | None:
    """The job in the address, or the latest one of this session; None if there is none."""
    number = query_number("job") or st.session_state.get(session.IMPORT_JOB)
    if number is None:
        return None
    try:
        job = imports.job(number)
    except UnknownJob:
        leave()
        return None
    st.session_state[session.IMPORT_JOB] = number
    st.query_params["job"] = str(number)
    return job


def discard(imports: ImportService) -> None:
    """Cancel the followed import if it waits, and follow nothing; its files and options are kept."""
    job = followed(imports)
    if job is not None and job.state == JobState.WAITING:
        imports.cancel_job(job.job_id)
    leave()


def leave() -> None:
    """Follow nothing."""
    st.session_state.pop(session.IMPORT_JOB, None)
    st.query_params.pop("job", None)
