"""Tables and texts of a report."""

from __future__ import annotations

from monitor_agent.dashboards.panel_views import TableView, TableViewColumn
from monitor_agent.dashboards.report_image import without_links
from monitor_agent.dashboards.svg import fitted, nested, table, text_width
from monitor_agent.kibana.dashboard_model import DashboardPanel, GridPosition

COLUMNS = (TableViewColumn("Name", "string", "left"), TableViewColumn("Count", "number", "right"))


def table_of(rows: int) -> TableView:
    """Return a table whose counts rise."""
    values = tuple((f"row<{number}>", number) for number in range(rows))
    return TableView(COLUMNS, values, tuple((name, str(count)) for name, count in values), sort=(1, True))


def test_a_table_shows_what_fits_and_counts_the_rest() -> None:
    """The greatest values come first, as on the page; the last line says how many more rows there are."""
    image = table(table_of(9), 0, 0, 300, 100)

    assert "row&lt;8&gt;" in image
    assert "row&lt;6&gt;" not in image
    assert "and 7 more" in image


def test_a_text_that_is_too_wide_is_cut() -> None:
    """A cut text fits into its width and ends with an ellipsis."""
    cut = fitted("a text that is far too long", 80, 12)

    assert cut.endswith("…")
    assert text_width(cut, 12) <= 80


def test_images_inside_an_image_have_different_ids() -> None:
    """Two charts that both have an id clip0 do not clip each other."""
    inner = nested('<svg width="5"><clipPath id="clip0"/><g clip-path="url(#clip0)"/></svg>', 1, 2, "p3")

    assert inner == '<svg x="1" y="2" width="5"><clipPath id="p3-clip0"/><g clip-path="url(#p3-clip0)"/></svg>'


def test_a_report_has_no_links() -> None:
    """A row of links to other dashboards is left out, and the panels below it move up."""
    top, below = GridPosition(0, 0, 48, 3), GridPosition(0, 3, 24, 5)
    links = DashboardPanel("a", "markdown", top, text="[all](#/view/all)")
    (remaining,) = without_links([links, DashboardPanel("b", "lens", below)])

    assert (remaining.id, remaining.position) == ("b", GridPosition(0, 0, 24, 5))
