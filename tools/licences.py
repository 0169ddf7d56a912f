"""Compares the licences of Marquee's dependencies with a list of permissive ones.

``python -m tools.licences`` checks every installed package of requirements.txt. The exit code is 1 if a licence is not
on the list or cannot be determined. The demo ratings are GPL-3 and therefore an extra (requirements-demo.txt), which is
not checked.
"""

from __future__ import annotations

import sys
from importlib.metadata import PackageMetadata, PackageNotFoundError, metadata

from packaging.licenses import InvalidLicenseExpression, canonicalize_license_expression
from packaging.utils import canonicalize_name

from tools.pins import ROOT, pins

PERMISSIVE = frozenset(
    {
        "0BSD",
        "Apache-2.0",
        "Apache-2.0 WITH LLVM-exception",
        "BSD-2-Clause",
        "BSD-3-Clause",
        "CC0-1.0",
        "MIT",
        "MIT-CMU",
        "PSF-2.0",
        "Zlib",
    }
)
ACCEPTED = {
    "certifi": "MPL-2.0",
    "tqdm": "MPL-2.0",
}
"""Copyleft limited to the package's own files, which Marquee uses unchanged."""

READ_BY_HAND = {"pysqlite3": "Zlib"}
"""Packages without licence metadata; taken from the LICENSE file of the pinned version."""

SPDX = {
    "3-clause bsd license": "BSD-3-Clause",
    "apache license 2.0": "Apache-2.0",
    "apache software license": "Apache-2.0",
    "bsd": "BSD-3-Clause",
    "bsd license": "BSD-3-Clause",
    "mit license": "MIT",
    "mozilla public license 2.0 (mpl 2.0)": "MPL-2.0",
}
"""Other names of licences in metadata; BSD without a number is one of two, both permissive."""


def licences_of(name: str, about: PackageMetadata) -> list[str]:
    """Licences of a package as SPDX expressions, or as the package writes them.

    ``License-Expression`` takes precedence. Full licence texts are ignored.

    Args:
        name: canonical name.
        about: core metadata.
    """
    if expressions := about.get_all("License-Expression"):
        return [_as_spdx(text) for text in expressions]
    texts = [*(about.get_all("License") or []), *filter(_is_licence, about.get_all("Classifier") or [])]
    named = [text.rpartition(" :: ")[2].strip() for text in texts if "\n" not in text.strip()]
    if not any(named) and name in READ_BY_HAND:
        return [READ_BY_HAND[name]]
    return [_as_spdx(text) for text in named if text]


def _is_licence(classifier: str) -> bool:
    return classifier.startswith("License ::") and classifier != "License :: OSI Approved"


def _as_spdx(text: str) -> str:
    try:
        return canonicalize_license_expression(SPDX.get(text.lower(), text))
    except InvalidLicenseExpression:
        return text


def is_permissive(expression: str, accepted: str | None = None) -> bool:
    """Whether a licence is permissive.

    One part of an OR suffices; all parts of an AND must be permissive, and all parts of an expression with brackets.

    Args:
        expression: SPDX expression.
        accepted: another acceptable licence.
    """
    if "(" in expression:
        expression = expression.replace("(", "").replace(")", "").replace(" OR ", " AND ")
    allowed = PERMISSIVE | {accepted}
    return any(set(choice.split(" AND ")) <= allowed for choice in expression.split(" OR "))


def fault(name: str, about: PackageMetadata) -> str | None:
    """The problem with the licence of a package; None if there is none."""
    licences = licences_of(name, about)
    if not licences:
        return "names no licence in its metadata"
    wrong = [each for each in licences if not is_permissive(each, ACCEPTED.get(name))]
    return f"has the licence {', '.join(wrong)}" if wrong else None


def main() -> int:
    """Check every dependency; returns the exit code."""
    needed = [pin.requirement for pin in pins(ROOT / "requirements.txt")]
    here = [each.name for each in needed if each.marker is None or each.marker.evaluate()]
    faults = 0
    for name in here:
        try:
            found = fault(canonicalize_name(name), metadata(name))
        except PackageNotFoundError:
            found = "is not installed: make setup"
        if found is not None:
            faults += 1
            sys.stderr.write(f"{name} {found}.\n")
    sys.stdout.write(f"Licences: {len(here) - faults} of {len(here)} packages have an accepted licence.\n")
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main())
