"""Reads the files of an import without writing anything: what they are, what has to be asked, and their ratings."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path, PurePosixPath
from typing import Any

import pyarrow.compute as pc

from engine.data import questions
from engine.data.columns import ALIASES, Role, declared_columns
from engine.data.containers import SourceFile, unpack
from engine.data.encodings import can_read
from engine.data.formats import OWN_ENCODINGS, recognise
from engine.data.formats.base import Head, Layout, Unclear
from engine.data.formats.letterboxd import owner_of_zip
from engine.data.formats.marquee import MANIFEST
from engine.data.formats.plain import with_columns
from engine.data.formats.plays import as_preferences
from engine.data.plan import ImportOptions, Question
from engine.data.reading import Cells, Scanned, films_of, read_ratings
from engine.data.rejections import Rejections
from engine.data.scale import RatingScale
from engine.data.staging import Staged
from engine.data.tables import EncodingUnknown, Table, TextOptions, Unreadable, open_tables
from engine.data.times import FORMS, Form, form_of
from engine.errors import InvalidInput

UNFIXED = ("table", "list", "wide", "plays")
"""Sources that do not say which column is what."""
PEEK_BYTES = 2**18
"""Bytes by which a file of unknown encoding is recognised."""


@dataclass
class FileReport:
    """What became of a file."""

    name: str
    layout: Layout | None = None
    why: str = ""
    names: tuple[str, ...] = ()
    rows: int | None = None


class Scan:
    """Scans the files of an import, as far as answers allow.

    Args:
        uploads: the files as uploaded; archives are unpacked.
        folder: for what is unpacked and kept meanwhile.
        options: of the import; answers complete them.
        latest: maximum Unix time of a rating.
        check: called often; may raise to stop.
        step: takes the share that is done, 0 to 1, and what is done now.
    """

    def __init__(
        self,
        uploads: Sequence[SourceFile],
        folder: Path,
        options: ImportOptions,
        *,
        latest: int,
        check: Callable[[], None],
        step: Callable[[float, str], None],
    ) -> None:
        self._uploads, self._folder = uploads, folder
        self.options = options
        self._latest, self._check, self._step = latest, check, step
        self._files: list[SourceFile] = []
        self.reports: list[FileReport] = []
        self.manifest: RatingScale | None = None
        self.found: Scanned | None = None
        self._forms: dict[str, Form | None] = {}
        self._tables_of: dict[Path, list[Table]] = {}
        self._unknown: list[EncodingUnknown] = []
        self.unclear: list[Unclear] = []

    def answer(self, **answers: Any) -> None:
        """Complete the options by answers."""
        self.options = self.options.model_copy(update=answers)

    def check_answers(self, answers: Mapping[str, Any]) -> None:
        """Refuse answers that no file fits, so that their questions stay open.

        Raises:
            InvalidInput: no table has the columns, or no text can be read in the encoding.
        """
        if (columns := answers.get("columns")) is not None:
            names = dict.fromkeys(name for one in self.unclear for name in one.table.names)
            if not any(declared_columns(one.table.names, one.table.width, columns) for one in self.unclear):
                told = f"It has {', '.join(names)}." if names else "It has columns without names; give their numbers."
                raise InvalidInput(f"The file has not all of these columns. {told}", field="columns")
        if (encoding := answers.get("encoding")) is not None:
            for one in self._unknown:
                if not can_read(one.sample, encoding):
                    raise InvalidInput(f"The text can't be read as {encoding}.", field="encoding")

    def run(self) -> list[Question]:
        """Scan as far as it goes; the questions that stand in the way, none when all ratings have been read.

        Raises:
            InvalidInput: nothing in the files can be imported.
        """
        if self.found is not None:
            return []
        if not self._files:
            self._step(0.0, "Opening the files")
            self._files = unpack(self._uploads, self._folder, check=self._check)
        asked = self._recognise()
        if asked:
            return asked
        self._refuse_if_nothing()
        asked = [*self._owner(), *self._dates()]
        if not asked:
            self.found = self._read()
        return asked

    @property
    def layouts(self) -> list[Layout]:
        """The layouts of the files that are used, or known to be of no use."""
        return [report.layout for report in self.reports if report.layout is not None]

    def of_role(self, role: str) -> list[Layout]:
        """The layouts of the files with a role."""
        return [layout for layout in self.layouts if layout.role == role]

    def time_forms(self) -> list[Form]:
        """How times are written in the files, as far as they have any."""
        return [form for form in self._forms.values() if form is not None]

    # -- files to layouts ----------------------------------------------------------------------------------------------

    def _recognise(self) -> list[Question]:
        self.reports = []
        self.unclear = unclear = []
        self._unknown = unknown = []
        names = [file.name.lower() for file in self._files]
        for file in self._files:
            self._check()
            if PurePosixPath(file.name).name == MANIFEST and self._is_manifest(file):
                continue
            try:
                tables = self._tables(file, names)
            except EncodingUnknown as error:
                unknown.append(error)
                continue
            except Unreadable as error:
                self.reports.append(FileReport(file.name, why=f"{str(error)[0].upper()}{str(error)[1:]}."))
                continue
            for table in tables:
                found = self._layout(Head(table, names))
                if isinstance(found, Unclear):
                    unclear.append(found)
                else:
                    self.reports.append(self._report(table, found))
        self._see_lists_as_movies()
        if unknown:
            return [questions.encoding(unknown)]
        sure = [one for one in unclear if not self._is_beside_the_point(one)]
        self.reports += [self._report(one.table, None) for one in unclear if one not in sure]
        self.unclear = sure
        return [questions.columns(sure)] if sure else []

    def _see_lists_as_movies(self) -> None:
        """A table of movies with averages looks like a list of one's own; beside ratings by many it describes them."""
        if all(layout.source.name == "list" for layout in self.of_role("ratings")):
            return
        for report in self.reports:
            layout = report.layout
            if layout is not None and layout.role == "ratings" and layout.source.name == "list":
                columns = {role: place for role, place in layout.columns.items() if role not in ("rating", "time")}
                if {"movie", "title"} <= columns.keys():
                    report.layout = replace(layout, role="movies", columns=columns)

    def _is_beside_the_point(self, one: Unclear) -> bool:
        """Whether an unclear table need not be asked about: others hold ratings, and it shows none."""
        return bool(self.of_role("ratings")) and not one.suggestion

    def _tables(self, file: SourceFile, names: Sequence[str]) -> list[Table]:
        """The tables of a file, which is opened once: text is rewritten in UTF-8."""
        if file.path in self._tables_of:
            return self._tables_of[file.path]
        own = OWN_ENCODINGS.get(PurePosixPath(file.name).name.lower())
        options = TextOptions(self.options.encoding, self.options.delimiter, self.options.header, own)
        try:
            self._tables_of[file.path] = open_tables(file, options, self._check)
        except EncodingUnknown:
            if self._is_used(file, names):
                raise
            raise Unreadable("it holds nothing for an import") from None
        return self._tables_of[file.path]

    def _is_used(self, file: SourceFile, names: Sequence[str]) -> bool:
        """Whether a file of unknown encoding is of any use, by its beginning."""
        with file.path.open("rb") as stream:
            head = stream.read(PEEK_BYTES)
        peek = self._folder / "peek"
        peek.write_text(head.decode("latin-1"), encoding="utf-8")
        try:
            tables = open_tables(
                SourceFile(file.name, peek), TextOptions("utf-8", self.options.delimiter, self.options.header)
            )
        except Unreadable:
            return False
        found = [self._layout(Head(table, names)) for table in tables]
        return any(isinstance(one, Unclear) or (one is not None and one.role != "ignored") for one in found)

    def _layout(self, head: Head) -> Layout | Unclear | None:
        found = self._as_ratings(head)
        if not self.options.preferences or not (isinstance(found, Unclear) or (found is not None and found.is_done)):
            return found
        return as_preferences(head) or found

    def _as_ratings(self, head: Head) -> Layout | Unclear | None:
        if self.options.columns is not None:
            declared = declared_columns(head.table.names, head.table.width, self.options.columns)
            found = recognise(head, self.options.source)
            plain = found is None or isinstance(found, Unclear) or found.source.name in UNFIXED
            if declared is not None and plain:
                return self._with_columns(head, declared)
            lacks = plain and isinstance(found, Layout) and found.role == "ratings"
            return None if lacks or isinstance(found, Unclear) else found
        return recognise(head, self.options.source)

    def _with_columns(self, head: Head, declared: Mapping[Role, int]) -> Layout:
        layout = with_columns(head, declared)
        place = declared.get("rating", -1)
        is_rating = 0 <= place < len(head.names) and head.names[place] in ALIASES["rating"]
        return replace(layout, counts=self.options.preferences and not is_rating)

    def _report(self, table: Table, layout: Layout | None) -> FileReport:
        if layout is None:
            why = "It holds no column of ratings or titles that is known."
            return FileReport(table.name, why=why, names=table.names)
        return FileReport(table.name, layout, layout.why, names=table.names)

    def _is_manifest(self, file: SourceFile) -> bool:
        """Whether a file says what an export by Marquee holds; its scale is taken from it."""
        try:
            found = json.loads(file.path.read_text(encoding="utf-8"))
            self.manifest = _scale(found)
        except (ValueError, KeyError, TypeError):
            return False
        why = "It says which scale the ratings are on."
        self.reports.append(FileReport(file.name, why=why))
        return True

    def _refuse_if_nothing(self) -> None:
        if self.of_role("ratings") or (self.of_role("movies") and not self._refused()):
            return
        refused = self._refused()
        if refused:
            told = " ".join(dict.fromkeys(f"{layout.table.name}: {layout.why}" for layout in refused[:3]))
            hint = " To import it as likes and dislikes, set the option preferences." if self._is_done() else ""
            raise InvalidInput(f"There are no ratings to import. {told}{hint}", field="files")
        if not self._files:
            names = " and ".join(upload.name for upload in self._uploads)
            raise InvalidInput(f"There is no file in {names}. {questions.EXPECTED}", field="files")
        if self.options.columns is not None:
            raise InvalidInput(f"No file has the columns that were named. {self._columns_found()}", field="columns")
        raise InvalidInput(f"No ratings were found. {self._columns_found()} {questions.EXPECTED}", field="files")

    def _refused(self) -> list[Layout]:
        return [layout for layout in self.layouts if layout.refuses]

    def _is_done(self) -> bool:
        return any(layout.is_done for layout in self._refused())

    def _columns_found(self) -> str:
        told = []
        for report in self.reports[:5]:
            columns = f"It has the columns {', '.join(report.names)}." if report.names else ""
            told.append(f"{report.name}: {report.why} {columns}".strip())
        return " ".join(told)

    # -- what has to be asked before ratings are read ------------------------------------------------------------------

    def _owner(self) -> list[Question]:
        personal = [layout for layout in self.of_role("ratings") if layout.source.personal]
        if not personal or self.options.user_id is not None:
            return []
        named = [layout.owner for layout in self.layouts if layout.owner]
        named += [owner for upload in self._uploads if (owner := owner_of_zip(PurePosixPath(upload.name).name))]
        return [questions.user(personal[0].source, named[0] if named else None)]

    def _dates(self) -> list[Question]:
        """Find how times are written; a question where no row tells day and month apart."""
        for layout in self.of_role("ratings"):
            name = layout.table.name
            if "time" not in layout.columns or name in self._forms:
                continue
            place = layout.columns["time"]
            forms = form_of(layout.table.cells(place))
            if len(forms) > 1 and self.options.dates is None:
                forms = form_of(self._all_times(layout.table, place))
            declared = self.options.dates if self.options.dates in FORMS else None
            if declared is not None:
                self._forms[name] = declared
            elif len(forms) > 1:
                return [questions.dates(layout.table.cells(place))]
            else:
                self._forms[name] = forms[0] if forms else None
        return []

    def _all_times(self, table: Table, place: int) -> Iterable[str]:
        for part in table.read([place], (), Rejections()):
            self._check()
            texts: Sequence[str] = pc.unique(part.column(place)).to_pylist()
            yield from texts

    # -- reading -------------------------------------------------------------------------------------------------------

    def _read(self) -> Scanned:
        found = Scanned(Staged(self._folder))
        for layout in self.of_role("movies"):
            self._step(0.0, f"Reading {layout.table.name}")
            films = films_of(layout, found.rejections, self._check)
            found.described += films
            self._count(layout, len(films))
        self._add_links(found)
        ratings = self.of_role("ratings")
        for place, layout in enumerate(ratings):
            rows = 0
            cells = Cells(layout, self._forms.get(layout.table.name), self.options, self._latest)
            for part in read_ratings(cells, place, found):
                self._check()
                rows += part.rows
                self._step((place + part.done) / len(ratings), f"Reading {layout.table.name}")
            self._count(layout, rows)
        self._fill(found)
        self._refuse_if_empty(found)
        return found

    def _count(self, layout: Layout, rows: int) -> None:
        for report in self.reports:
            if report.layout is layout:
                report.rows = rows

    def _add_links(self, found: Scanned) -> None:
        """Give movies their numbers on other sites, from files of links."""
        self._links: dict[str, dict[str, str]] = {}
        for layout in self.of_role("links"):
            films = films_of(layout, found.rejections, self._check)
            self._links |= {film.own_id: film.links for film in films}
            self._count(layout, len(films))
        by_number = {(site, value): own for own, links in self._links.items() for site, value in links.items()}
        kept = []
        for film in found.described:
            if not film.own_id:  # known by its number on a site only
                film.own_id = next((by_number[pair] for pair in film.links.items() if pair in by_number), "")
            film.links = self._links.get(film.own_id, {}) | film.links
            if film.own_id or not self.of_role("ratings"):
                kept.append(film)
        found.described = kept

    def _fill(self, found: Scanned) -> None:
        """Complete the movies of the ratings by the files of movies and links."""
        by_id = {film.own_id: film for film in found.described if film.own_id}
        for film in found.films:
            if film.own_id in by_id:
                film.fill(by_id[film.own_id])
            film.links = self._links.get(film.own_id, {}) | film.links

    def _refuse_if_empty(self, found: Scanned) -> None:
        if found.staged.rows or (found.described and not self.of_role("ratings")):
            return
        names = ", ".join(dict.fromkeys(layout.table.name for layout in self.of_role("ratings")))
        rejected = found.rejections.rows
        if not rejected and not found.unrated:
            raise InvalidInput(f"{names or 'The upload'} has columns for ratings, but no rows.", field="files")
        if not rejected:
            raise InvalidInput(
                f"Nothing in {names} is rated: all {found.unrated:,} rows are without a rating.", field="files"
            )
        told = found.rejections.sentence()
        raise InvalidInput(
            f"None of {rejected + found.unrated:,} rows in {names} could be imported. {told}", field="files"
        )


def _scale(manifest: Mapping[str, Any]) -> RatingScale:
    low, high = manifest["scale"]
    return RatingScale(float(low), float(high), float(manifest["step"]))
