"""Holds the licences of what Marquee runs on against a list of those that ask for no more than to be named.

``python -m tools.licences`` looks at every installed package of requirements.txt, and ends with 1 where one has a
licence that is not on the list, or none that can be read. The demo ratings are GPL-3 and therefore an extra
(requirements-demo.txt), which this leaves out.
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
"""Copyleft that ends at the package's own files, which Marquee uses as they are."""

READ_BY_HAND = {"pysqlite3": "Zlib"}
"""Packages whose metadata says nothing; read in the file LICENSE of the version that is pinned."""

SPDX = {
    "3-clause bsd license": "BSD-3-Clause",
    "apache license 2.0": "Apache-2.0",
    "apache software license": "Apache-2.0",
    "bsd": "BSD-3-Clause",
    "bsd license": "BSD-3-Clause",
    "mit license": "MIT",
    "mozilla public license 2.0 (mpl 2.0)": "MPL-2.0",
}
"""Other ways in which packages name their licence; BSD without a number is one of the two, and both are permissive."""

_CLASSIFIER = "License :: OSI Approved :: "


def licences_of(name: str, about: PackageMetadata) -> list[str]:
    """The licences that a package names, as SPDX expressions, or in its own words where these are none.

    ``License-Expression`` counts alone where it is given. Whole texts of licences are skipped.

    Args:
        name: its canonical name.
        about: its core metadata.
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
    """Whether the terms of a licence ask for no more than to be named.

    Of an OR one part suffices, of an AND all parts must; with brackets all parts must, whatever joins them.

    Args:
        expression: as SPDX writes it.
        accepted: one more licence that will do.
    """
    if "(" in expression:
        expression = expression.replace("(", "").replace(")", "").replace(" OR ", " AND ")
    allowed = PERMISSIVE | {accepted}
    return any(set(choice.split(" AND ")) <= allowed for choice in expression.split(" OR "))


def fault(name: str, about: PackageMetadata) -> str | None:
    """What is wrong with the licence of a package; None where nothing is."""
    licences = licences_of(name, about)
    if not licences:
        return "names no licence in its metadata"
    wrong = [each for each in licences if not is_permissive(each, ACCEPTED.get(name))]
    return f"has the licence {', '.join(wrong)}" if wrong else None


def main() -> int:
    """Look at every package that Marquee runs on; the exit code."""
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
    sys.stdout.write(f"Licences: {len(here) - faults} of {len(here)} packages are fine.\n")
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main())
