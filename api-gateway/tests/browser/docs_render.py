#!/usr/bin/env python3
"""Opens /docs and /redoc of a running gateway in headless Chromium and fails unless they render offline.

    docs_render.py http://127.0.0.1:8080 [directory for screenshots]

Starts nothing itself. Needs the package `playwright` and a Chromium: CHROMIUM, else /usr/bin/chromium.
Every request to a host other than the gateway's is refused and fails the check, so the network may be cut off or not.
"""

import os
import sys
from pathlib import Path
from urllib.parse import urlsplit

from playwright.sync_api import sync_playwright

# Page, what must be on it, and how often at least.
PAGES = [
    ("/docs", ".opblock", 14),
    ("/redoc", "[data-section-id^='tag/'] h2", 14),
]
SUMMARIES = ["List runners", "Start runners", "Remove a runner", "Get the status", "Check health"]


def check(browser, base, path, selector, least, shots):
    """The problems with one page."""
    host = urlsplit(base).netloc
    problems = []
    page = browser.new_page(viewport={"width": 1280, "height": 1000})

    def route(request_route):
        url = urlsplit(request_route.request.url)
        if url.scheme in ("data", "blob") or url.netloc == host:
            request_route.continue_()
        else:
            problems.append(f"asks for {request_route.request.url}")
            request_route.abort()

    def console(message):
        if message.type == "error":
            problems.append(f"console: {message.text}")

    page.route("**/*", route)
    page.on("console", console)
    page.on("pageerror", lambda error: problems.append(f"script error: {error}"))
    page.goto(base + path, wait_until="load")
    try:
        page.wait_for_selector(selector, state="visible", timeout=30_000)
    except Exception:  # noqa: BLE001: whatever the reason, the page does not show what it must
        problems.append(f"no {selector} is visible")
    # Requests that a page makes late would otherwise go unseen.
    page.wait_for_load_state("networkidle")
    if shots:
        page.screenshot(path=str(Path(shots) / f"{path.strip('/')}.png"))
    found = page.locator(selector).count()
    if found < least:
        problems.append(f"{found} of at least {least} {selector}")
    text = page.locator("body").inner_text()
    problems += [f"does not show {summary!r}" for summary in SUMMARIES if summary not in text]
    page.close()
    return problems


def main():
    if len(sys.argv) not in (2, 3):
        print(__doc__, file=sys.stderr)
        return 64
    base = sys.argv[1].rstrip("/")
    shots = sys.argv[2] if len(sys.argv) == 3 else None
    failed = False
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=os.environ.get("CHROMIUM", "/usr/bin/chromium"),
            args=["--no-sandbox", "--disable-gpu", "--disable-background-networking"],
        )
        for path, selector, least in PAGES:
            problems = check(browser, base, path, selector, least, shots)
            print(f"{path}: {'; '.join(problems) or 'renders'}")
            failed |= bool(problems)
        browser.close()
    return int(failed)


if __name__ == "__main__":
    sys.exit(main())
