"""The theme: readable in both variants, without requests to other hosts."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path
from typing import Any

import pytest

from pages.panels.tuning_charts import PALE

CONFIG: dict[str, Any] = tomllib.loads((Path(__file__).parents[2] / ".streamlit" / "config.toml").read_text("utf-8"))
STYLE = Path(__file__).parents[2] / "pages" / "ui" / "assets" / "style.css"
TEXT, GRAPHIC = 4.5, 3.0  # WCAG 2.2 AA: contrast of text, and of what a chart is read by


def luminance(color: str) -> float:
    """Relative luminance of #rrggbb (WCAG 2.2)."""
    parts = [int(color[n : n + 2], 16) / 255 for n in (1, 3, 5)]
    red, green, blue = (v / 12.92 if v <= 0.04045 else ((v + 0.055) / 1.055) ** 2.4 for v in parts)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def contrast(a: str, b: str) -> float:
    light, dark = sorted((luminance(a), luminance(b)), reverse=True)
    return (light + 0.05) / (dark + 0.05)


@pytest.mark.parametrize("variant", ["light", "dark"])
@pytest.mark.parametrize("ground", ["backgroundColor", "secondaryBackgroundColor"])
@pytest.mark.parametrize("name", ["textColor", "linkColor", "primaryColor", "redColor", "greenColor", "grayColor"])
def test_letters_can_be_read(variant: str, ground: str, name: str) -> None:
    theme = CONFIG["theme"][variant]
    for place in (theme, theme | theme["sidebar"]):
        assert contrast(place[name], place[ground]) >= (TEXT if ground == "backgroundColor" else TEXT - 0.3)


@pytest.mark.parametrize("variant", ["light", "dark"])
def test_chart_colors_stand_out(variant: str) -> None:
    theme = CONFIG["theme"][variant]
    assert len(theme["chartCategoricalColors"]) >= 4
    for color in theme["chartCategoricalColors"]:
        assert contrast(color, theme["backgroundColor"]) >= GRAPHIC
    steps = theme["chartSequentialColors"]
    assert len(steps) == 10
    palest = 9 * PALE / (1 + PALE)  # where the worst trial of a study stands among them
    assert palest >= 5
    assert contrast(steps[5], theme["backgroundColor"]) >= GRAPHIC


@pytest.mark.parametrize(("letters", "ground"), [("#FFFFFF", "light"), ("#06181D", "dark")])
def test_a_primary_button_can_be_read(letters: str, ground: str) -> None:
    assert contrast(letters, CONFIG["theme"][ground]["primaryColor"]) >= TEXT


def test_browsers_keep_the_style_sheet() -> None:
    """Streamlit's sanitiser drops a whole style sheet that looks as if it held a tag, such as <length>."""
    assert not re.search(r"<[/\w!]", STYLE.read_text("utf-8"))


def test_nothing_is_sent_or_loaded_from_outside() -> None:
    assert CONFIG["browser"]["gatherUsageStats"] is False
    assert CONFIG["server"]["address"] == "127.0.0.1"
    assert CONFIG["server"]["fileWatcherType"] == "none"
    assert CONFIG["theme"]["font"] == "sans-serif"
    assert CONFIG["theme"]["headingFont"] == "serif"
    assert "http" not in str(CONFIG)


def test_tables_have_no_download_whose_cells_may_be_formulas() -> None:
    assert CONFIG["client"]["disableDataExport"] is True
