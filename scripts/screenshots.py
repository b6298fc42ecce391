"""Take pictures of the dashboards in a real browser, in light and in dark colours, and write them to `docs/images`."""

from __future__ import annotations

import argparse
import shutil
import sys
from pathlib import Path
from urllib.parse import urlencode

from playwright.sync_api import Browser, expect, sync_playwright

WIDTH, HEIGHT, PHONE, MOST_HEIGHT = 1440, 900, 375, 12_000
UNDRAWN = ".panel.data:not([data-state=drawn])"


def main() -> int:
    """Write `<dashboard>-<theme>.png` for each dashboard that the viewer at `--url` names."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--url", default="http://127.0.0.1:8601", help="the viewer's address (%(default)s)")
    parser.add_argument("--from", dest="start", default="now-24h", help="first moment (%(default)s)")
    parser.add_argument("--to", dest="end", default="now", help="last moment (%(default)s)")
    parser.add_argument("--out", type=Path, default=Path("docs/images"), help="folder (%(default)s)")
    parser.add_argument("--set", dest="chosen", action="append", default=[], help="CONTROL=VALUE, such as window=1d")
    parser.add_argument("--only", default="", help="take only the dashboard with this id")
    parser.add_argument("--theme", action="append", choices=("light", "dark"), help="take only this theme")
    parser.add_argument("--phone", action="store_true", help="use a screen that is 375 pixels wide")
    args = parser.parse_args()
    browser_path = shutil.which("chromium") or shutil.which("google-chrome")
    if browser_path is None:
        print("error: no browser: install chromium", file=sys.stderr)
        return 1
    args.out.mkdir(parents=True, exist_ok=True)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=browser_path, args=["--no-sandbox"])
        chosen = (choice.partition("=") for choice in args.chosen)
        controls = {f"c.{control}": value for control, _, value in chosen}
        query = urlencode({"from": args.start, "to": args.end, "refresh": 0, **controls})
        names = [args.only] if args.only else dashboards(browser, args.url)
        for theme in args.theme or ("light", "dark"):
            for name in names:
                path = args.out / f"{name}-{theme}{'-phone' if args.phone else ''}.png"
                photograph(browser, f"{args.url}/dashboards/{name}?{query}", theme, path, phone=args.phone)
                print(path)
        browser.close()
    return 0


def dashboards(browser: Browser, url: str) -> list[str]:
    """Return the ids of the dashboards that the viewer's first page lists."""
    page = browser.new_page()
    page.goto(url)
    links = [link.get_attribute("href") or "" for link in page.locator(".cards a").all()]
    page.close()
    return [link.rsplit("/", 1)[1] for link in links]


def photograph(browser: Browser, url: str, theme: str, path: Path, *, phone: bool) -> None:
    """Write a picture of the whole page once everything is drawn."""
    width = PHONE if phone else WIDTH
    context = browser.new_context(
        viewport={"width": width, "height": HEIGHT},
        color_scheme="dark" if theme == "dark" else "light",
        has_touch=phone,
        device_scale_factor=2 if phone else 1,
    )
    page = context.new_page()
    page.goto(url)
    page.wait_for_selector("main[data-drawn]")
    page.set_viewport_size({"width": width, "height": MOST_HEIGHT})
    expect(page.locator(UNDRAWN)).to_have_count(0)
    height = int(page.evaluate("document.querySelector('footer').getBoundingClientRect().bottom + scrollY"))
    page.set_viewport_size({"width": width, "height": min(height, MOST_HEIGHT)})
    page.screenshot(path=str(path))
    context.close()


if __name__ == "__main__":
    sys.exit(main())
