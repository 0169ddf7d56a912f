"""What the benchmarks' pictures have in common: an SVG that suits light and dark pages."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape

STYLE = """<style>
text { font: 12px system-ui, sans-serif; fill: #333 } .title { font-weight: 600; font-size: 14px }
.head { font-weight: 600 } .ours { font-weight: 600; fill: #b4232c } .missing { fill: #777; font-style: italic }
line { stroke: #ddd } circle { fill: #6b7785 } circle.ours { fill: #b4232c } .back { fill: #fff }
@media (prefers-color-scheme: dark) { text { fill: #ddd } .ours, circle.ours { fill: #ff7b7b } .missing { fill: #999 }
line { stroke: #444 } circle { fill: #9aa7b4 } .back { fill: #14161a } }
</style>"""


def begin(title: str, width: int, height: int) -> list[str]:
    """The first lines: title and background."""
    return [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" role="img">',
        f"<title>{escape(title)}</title>{STYLE}",
        f'<rect class="back" width="{width}" height="{height}"/>',
        f'<text class="title" x="12" y="22">{escape(title)}</text>',
    ]


def end(parts: Sequence[str]) -> str:
    """The whole picture."""
    return "\n".join([*parts, "</svg>"]) + "\n"
