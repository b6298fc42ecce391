"""A real browser on the pages of the viewer."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from dataclasses import dataclass, field

import pytest
from playwright.sync_api import Browser, BrowserContext, Page, expect, sync_playwright

from tests.cluster import Cluster
from tests.integration.kibana_world import filled_world
from tests.viewers import address_of, viewer_on

DRAWN_PAGE = "main[data-drawn]"
WIDTH, HEIGHT = 1440, 900
PATIENCE_MILLISECONDS = 60_000
"""Machines that run the tests may be busy with other work."""


@pytest.fixture(scope="module")
def viewer(elasticsearch: Cluster) -> Iterator[str]:
    """The address of a viewer whose dashboards have data."""
    with filled_world(elasticsearch), viewer_on(elasticsearch) as url:
        yield url


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    """The machine's Chromium. In CI it must be installed; elsewhere the tests are skipped without it."""
    path = shutil.which("chromium") or shutil.which("google-chrome")
    if path is None and "CI" not in os.environ:
        pytest.skip("no browser: install chromium")
    assert path, "no browser: install chromium"
    expect.set_options(timeout=PATIENCE_MILLISECONDS)
    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=path, args=["--no-sandbox", "--disable-dev-shm-usage"])
        yield chromium
        chromium.close()


@dataclass
class Reader:
    """A person with a browser: opens dashboards, and collects the errors of the console and the network."""

    page: Page
    viewer: str
    complaints: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        """Listen to the console and the network."""
        self.page.on("console", lambda entry: entry.type in ("error", "warning") and self.complaints.append(entry.text))
        self.page.on("pageerror", lambda error: self.complaints.append(str(error)))
        self.page.on("requestfailed", lambda failure: self.complaints.append(failure.url))

    def open(self, dashboard: str, **query: str) -> Page:
        """Open a dashboard at the time that has data, and return the page once the data are drawn."""
        self.page.goto(address_of(self.viewer, dashboard, **{"refresh": "0", **query}))
        self.page.wait_for_selector(DRAWN_PAGE)
        return self.page

    def drawings(self) -> int:
        """Return the number of times that the data were drawn."""
        return int(self.page.locator("main").get_attribute("data-drawn") or 0)

    def wait_for_drawing(self, number: int) -> None:
        """Return once the data have been drawn that many times."""
        self.page.wait_for_selector(f'main[data-drawn="{number}"]')


@pytest.fixture(scope="module")
def profile(browser: Browser, viewer: str) -> Iterator[BrowserContext]:
    """A profile of the browser in which a page of the viewer stays open: the next ones share its process and fonts."""
    context = browser.new_context(viewport={"width": WIDTH, "height": HEIGHT}, accept_downloads=True)
    context.set_default_timeout(PATIENCE_MILLISECONDS)
    context.new_page().goto(f"{viewer}/none")
    yield context
    context.close()


@pytest.fixture
def reader(profile: BrowserContext, viewer: str) -> Iterator[Reader]:
    """A reader with an empty page; what it stored and chose is gone afterwards."""
    yield Reader(profile.new_page(), viewer)
    first, *opened = profile.pages
    for page in opened:
        page.close()
    profile.set_offline(False)
    profile.clear_cookies()
    first.evaluate("localStorage.clear()")
