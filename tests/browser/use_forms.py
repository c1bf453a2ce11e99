"""Use the forms as a person without JavaScript does; run by the interpreter of .venv-browser: CHROMIUM, URL, path of an incident.

Printed is what the pages say after each form: a wrong token, acknowledge, silence, expire, and a form of another site.
"""

import json
import sys

from playwright.sync_api import Page, sync_playwright

ADMIN = "admin-token"
# A name that is not this machine: over plain http a browser sends no Sec-Fetch-Site there, only the origin.
NAMED = "--host-resolver-rules=MAP monitor.test 127.0.0.1"


def send(page: Page, form: str, **typed: str) -> str:
    """Fill in a form and send it; what the page says then."""
    place = page.locator(f'form[action$="{form}"]')
    for name, value in typed.items():
        place.locator(f"[name={name}]").fill(value)
    place.locator("button").click()
    return str(page.locator("[role=status], [role=alert]").inner_text())


def main() -> None:
    """Use each of them."""
    chromium, url, incident = sys.argv[1:]
    said = []
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox", NAMED])
        for base in (url, url.replace("127.0.0.1", "monitor.test")):
            page = browser.new_context(java_script_enabled=False).new_page()
            page.goto(base + incident)
            said.append(send(page, "acknowledge", by="ada", token="guessed"))
            said.append(send(page, "acknowledge", token=ADMIN))
            said.append(send(page, "silences", token=ADMIN, comment="upgrade"))
            page.locator("summary").first.click()
            said.append(send(page, "expire", token=ADMIN))
        page = browser.new_context().new_page()
        page.set_content(
            f'<form method="post" action="{url}/silences"><input name="token" value="{ADMIN}"><input name="target" value="prod">'
            '<input name="for" value="60"><button>Win a prize</button></form>'
        )
        page.click("button")
        said.append(page.locator("[role=alert]").inner_text())
        browser.close()
    json.dump(said, sys.stdout)


if __name__ == "__main__":
    main()
