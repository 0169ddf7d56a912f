"""The files of an import as its plan shows them: what each is used for and why, and the first rows."""

from collections.abc import Sequence

from engine.data.columns import find
from engine.data.formats.base import Layout
from engine.data.plan import MAX_CELL, FilePlan, Preview
from engine.data.scanning import UNFIXED, FileReport, Scan

PREVIEW_ROWS, PREVIEW_COLUMNS = 5, 40


def preview(scan: Scan) -> Preview | None:
    """The table whose columns are asked for, else the first one of ratings or movies; None where there is neither."""
    if scan.unclear:
        table, fixed = scan.unclear[0].table, False
        columns = scan.unclear[0].suggestion or find(table.names)  # some names may be known, if not all that are needed
    elif used := [*scan.of_role("ratings"), *scan.of_role("movies")]:
        table, columns, fixed = used[0].table, used[0].columns, used[0].source.name not in UNFIXED
    else:
        return None
    return Preview(
        file=table.name,
        names=[name[:MAX_CELL] for name in table.names[:PREVIEW_COLUMNS]],
        rows=[[cell[:MAX_CELL] for cell in row[:PREVIEW_COLUMNS]] for row in table.sample[:PREVIEW_ROWS]],
        columns={role: place for role, place in columns.items() if place < PREVIEW_COLUMNS},
        fixed=fixed,
    )


def file_plans(reports: Sequence[FileReport]) -> list[FilePlan]:
    """The files of a plan."""
    return [_file_plan(report) for report in reports]


def _file_plan(report: FileReport) -> FilePlan:
    layout = report.layout
    if layout is None:
        return FilePlan(name=report.name, source="", role="ignored", why=report.why)
    table = layout.table
    names = {
        role: table.names[place] if place < len(table.names) else str(place) for role, place in layout.columns.items()
    }
    return FilePlan(
        name=report.name,
        source=layout.source.label,
        role=layout.role,
        why=layout.why or _why(layout),
        encoding=table.encoding,
        delimiter=table.delimiter,
        header=bool(table.names),
        rows=report.rows,
        columns=names,
    )


def _why(layout: Layout) -> str:
    if layout.source.name in UNFIXED:
        return f"It holds {layout.role}."
    return f"It holds {layout.role} as {layout.source.label} has them."
