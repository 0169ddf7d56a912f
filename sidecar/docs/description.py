"""The description at the top of the API reference: conventions, access, limits and errors, with current numbers."""

from sidecar.docs.page import FOLDER
from sidecar.docs.problem_examples import PROBLEMS
from sidecar.docs.reference import pretty
from sidecar.http import limits
from sidecar.http.html import templates
from sidecar.http.identifiers import MAX_LENGTH
from sidecar.http.problems import MAX_FIELD_ERRORS
from sidecar.routes.data import MAX_FILES, MAX_OPTIONS
from sidecar.routes.explanations import MAX_CHANGES
from sidecar.routes.recommendations import MAX_PAIRS, MAX_RATINGS

ADDRESS = "localhost:8501"


def describe(needs_key: bool | None = None, address: str = ADDRESS) -> str:
    """The description in Markdown.

    Args:
        needs_key: adds whether this server requires a key; None says nothing.
        address: of the server in examples, with ``https://`` in front if it is encrypted.
    """
    template = templates(FOLDER).get_template("description.md")
    text = template.render(
        needs_key=needs_key,
        address=address,
        size=limits.size,
        json=limits.JSON_LIMIT,
        large=limits.LARGE_LIMIT,
        upload=limits.UPLOAD_LIMIT,
        head=limits.MAX_HEAD,
        headers=limits.MAX_HEADERS,
        id_length=MAX_LENGTH,
        pairs=MAX_PAIRS,
        ratings=MAX_RATINGS,
        changes=MAX_CHANGES,
        files=MAX_FILES,
        options=MAX_OPTIONS,
        field_errors=MAX_FIELD_ERRORS,
        problem=pretty(PROBLEMS["invalid_input"]),
    )
    return text.strip()
