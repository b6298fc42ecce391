"""Times of the viewer's pages in a real browser, and of its answers to many readers."""

from __future__ import annotations

import shutil
import time
import urllib.request
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from urllib.error import HTTPError
from urllib.parse import urlencode

from playwright.sync_api import Browser, sync_playwright

FIRST_PAINT = "() => performance.getEntriesByName('first-contentful-paint')[0]?.startTime / 1000"
"""Not a number, so that it is waited for, until the browser has painted."""
COMPLETE = """() => document.querySelector("main[data-drawn]")
    && !document.querySelector(".panel.data:not([data-state=drawn])") && performance.now() / 1000"""
WIDTH, HEIGHT = 1440, 8000
"""A window in which all panels are on the screen."""
PATIENCE_SECONDS = 60
BUSY_PAUSE_SECONDS = 1.0


@dataclass(frozen=True)
class PageTimes:
    """Seconds from the click on a link until the first paint, and until all panels are drawn."""

    first_paint: float
    complete: float


@contextmanager
def running_browser() -> Iterator[Browser]:
    """Yield the machine's Chromium."""
    path = shutil.which("chromium") or shutil.which("google-chrome")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=["--no-sandbox", "--disable-dev-shm-usage"])
        yield browser
        browser.close()


def page_times(browser: Browser, before: str, address: str) -> PageTimes:
    """Open a dashboard in a window whose cache has the scripts, as that of a reader has, and return its times.

    Parameters
    ----------
    before : the same dashboard with another range, which is opened before it.
    """
    context = browser.new_context(viewport={"width": WIDTH, "height": HEIGHT})
    page = context.new_page()
    for opened in (before, address):
        page.goto(opened)
        complete, painted = (
            float(page.wait_for_function(moment, timeout=PATIENCE_SECONDS * 1000).json_value())
            for moment in (COMPLETE, FIRST_PAINT)
        )
    context.close()
    return PageTimes(painted, max(painted, complete))


def data_address(viewer: str, dashboard: str, query: Mapping[str, str]) -> str:
    """Return the address of a dashboard's data."""
    return f"{viewer}/dashboards/{dashboard}/data?{urlencode(query)}"


def answer_seconds(address: str) -> float:
    """Return the seconds of an answer; a refusal because the viewer is busy is repeated, as the page does."""
    started = time.monotonic()
    while True:
        try:
            with urllib.request.urlopen(address, timeout=PATIENCE_SECONDS) as answer:
                answer.read()
            return time.monotonic() - started
        except HTTPError as error:
            if error.code != 503 or time.monotonic() - started > PATIENCE_SECONDS:
                raise
            time.sleep(float(error.headers.get("Retry-After", BUSY_PAUSE_SECONDS)))


def answers_to_readers(readers: Sequence[Sequence[str]]) -> list[float]:
    """Return the seconds of all answers; each reader asks for its addresses one after the other, all at once."""
    with ThreadPoolExecutor(len(readers)) as pool:
        return [seconds for row in pool.map(lambda row: list(map(answer_seconds, row)), readers) for seconds in row]
