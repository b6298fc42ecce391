"""Tables and texts on paper."""

from __future__ import annotations

from monitor_agent.dashboards.page import without_links
from monitor_agent.dashboards.panel_views import Grid, GridColumn
from monitor_agent.dashboards.svg import fitted, nested, table, text_width
from monitor_agent.kibana.dashboard_model import DashboardPanel, GridPosition

COLUMNS = (GridColumn("Name", "string", "left"), GridColumn("Count", "number", "right"))


def grid(rows: int) -> Grid:
    """Return a table whose counts rise."""
    values = tuple((f"row<{number}>", number) for number in range(rows))
    return Grid(COLUMNS, values, tuple((name, str(count)) for name, count in values), sort=(1, True))


def test_a_table_shows_what_fits_and_counts_the_rest() -> None:
    """The greatest come first, as on the screen; the last line says how many rows there are besides."""
    drawn = table(grid(9), 0, 0, 300, 100)

    assert "row&lt;8&gt;" in drawn
    assert "row&lt;6&gt;" not in drawn
    assert "and 7 more" in drawn


def test_a_text_is_cut_where_it_does_not_fit() -> None:
    """A cut text is as wide as there is room, and says that it is cut."""
    cut = fitted("a text that is far too long", 80, 12)

    assert cut.endswith("…")
    assert text_width(cut, 12) <= 80


def test_images_inside_an_image_keep_their_own_names() -> None:
    """Two charts that both call something clip0 do not clip each other."""
    inner = nested('<svg width="5"><clipPath id="clip0"/><g clip-path="url(#clip0)"/></svg>', 1, 2, "p3")

    assert inner == '<svg x="1" y="2" width="5"><clipPath id="p3-clip0"/><g clip-path="url(#p3-clip0)"/></svg>'


def test_paper_has_no_links() -> None:
    """A row of links to other dashboards is left out, and what is below it moves up."""
    top, below = GridPosition(0, 0, 48, 3), GridPosition(0, 3, 24, 5)
    links = DashboardPanel("a", "markdown", top, text="[all](#/view/all)")
    (left,) = without_links([links, DashboardPanel("b", "lens", below)])

    assert (left.id, left.position) == ("b", GridPosition(0, 0, 24, 5))
