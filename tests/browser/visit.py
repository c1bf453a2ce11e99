"""Visit pages in headless Chromium, for `make browser`: run by the interpreter of .venv-browser, with the visits on standard input.

A visit is `{"url", "width", "scheme", "name"}`. Printed is what is wrong with each: a violation that axe-core finds, something that
is wider than the window, a request to another origin, a complaint of the browser. Each page is kept as a picture.
"""

import json
import sys
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, sync_playwright

HEIGHT = 900
_WIDER = "() => document.documentElement.scrollWidth - document.documentElement.clientWidth"


def visit(browser: Browser, asked: dict[str, Any], pictures: Path) -> list[str]:
    """What is wrong with one page. The policy of the page lets no script in, not even that of the checker: so it is set aside."""
    size = {"width": asked["width"], "height": HEIGHT}
    context = browser.new_context(viewport=size, color_scheme=asked["scheme"], bypass_csp=True)
    page = context.new_page()
    page.goto(asked["url"])
    wider = page.evaluate(_WIDER)
    page.screenshot(path=pictures / f"{asked['name']}-{asked['width']}-{asked['scheme']}.png", full_page=True)
    violations = Axe().run(page).response["violations"]
    context.close()
    wrong = [f"is {wider} px wider than the window"] if wider > 0 else []
    return wrong + [f"axe: {one['id']}: {one['nodes'][0]['html'][:200]}" for one in violations]


def visit_strictly(browser: Browser, url: str) -> list[str]:
    """What a browser that heeds the policy complains of, and whom it asks besides."""
    own, wrong = urlsplit(url).netloc, []
    context = browser.new_context()
    page = context.new_page()
    page.on("request", lambda sent: wrong.append(f"asks {sent.url}") if _is_foreign(sent.url, own) else None)
    page.on("console", lambda said: wrong.append(f"console: {said.text}") if said.type == "error" else None)
    page.goto(url)
    context.close()
    return wrong


def _is_foreign(url: str, own: str) -> bool:
    return not url.startswith("data:") and urlsplit(url).netloc != own


def main() -> None:
    """Visit them all."""
    pictures = Path(sys.argv[2])
    pictures.mkdir(parents=True, exist_ok=True)
    found = {}
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=sys.argv[1], args=["--no-sandbox"])
        visits = json.load(sys.stdin)
        for url in dict.fromkeys(asked["url"] for asked in visits):
            found[url] = visit_strictly(browser, url)
        for asked in visits:
            found[f"{asked['name']} at {asked['width']} px, {asked['scheme']}"] = visit(browser, asked, pictures)
        browser.close()
    json.dump({name: wrong for name, wrong in found.items() if wrong}, sys.stdout)


if __name__ == "__main__":
    main()
