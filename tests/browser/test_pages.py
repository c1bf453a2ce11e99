"""The pages in a real browser: nothing is cut off, nothing is asked of others, and the accessibility checker has nothing to say."""

import asyncio
import json
import shutil
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from monitor.core.model import Fault
from monitor.core.silence import Silence
from monitor.web.server import WebServer
from tests.browser.sites import INCIDENT, NOW, PAST, Recorder, Shown, a_web, sites
from tests.core.paths import switched_off

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(900)]

ROOT = Path(__file__).parents[2]
PYTHON = ROOT / ".venv-browser" / "bin" / "python"
PICTURES = ROOT / ".e2e" / "pictures"
CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")

FURTHER = [
    ("silenced", "/silences"),
    ("silenced", f"/incidents/{INCIDENT}"),
    ("export_failing", f"/incidents/{INCIDENT}"),
    ("export_failing", "/targets/prod"),
    ("healthy", f"/incidents/{PAST}"),
    ("healthy", "/runbooks/blind"),
    ("fifty", "/?group=team&state=healthy&q=eu"),
]


@asynccontextmanager
async def served() -> AsyncIterator[dict[str, str]]:
    """Where each site is."""
    servers = {name: WebServer(app, host="127.0.0.1", port=0) for name, app in sites().items()}
    for server in servers.values():
        await server.start()
    try:
        yield {name: server.url for name, server in servers.items()}
    finally:
        for server in servers.values():
            await server.stop()


async def run(script: str, *arguments: str, given: object = None) -> Any:
    """What a script says that drives the browser."""
    process = await asyncio.create_subprocess_exec(
        PYTHON,
        ROOT / "tests" / "browser" / script,
        str(CHROMIUM),
        *arguments,
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
    )
    said, _ = await process.communicate(json.dumps(given).encode())
    assert process.returncode == 0
    return json.loads(said)


async def test_every_page_is_whole_accessible_and_asks_nobody_else() -> None:
    """Healthy, each kind of broken, silenced, fifty targets; light and dark; on a telephone, a laptop and a wall."""
    assert CHROMIUM is not None, "Chromium is not installed"
    async with served() as urls:
        visits = [
            {
                "url": urls[name] + path,
                "width": width,
                "scheme": scheme,
                "name": name + path.split("?")[0].rstrip("/").replace("/", "-"),
            }
            for name, path in [*((name, "/") for name in urls), *FURTHER]
            for width in (390, 1280, 1920)
            for scheme in ("light", "dark")
        ]
        assert await run("visit.py", str(PICTURES), given=visits) == {}


async def test_the_forms_work_without_scripts_and_only_from_the_monitors_own_pages() -> None:
    """On this machine, where browsers send Sec-Fetch-Site, and under a name, where over plain http they send only the origin."""
    done = Recorder()
    silence = Silence(id="s", target="prod", ends_at=NOW + 60)
    web = a_web({"prod": Shown(story=switched_off())}, silences=(silence,), operations=done)
    server = WebServer(web, host="127.0.0.1", port=0)
    await server.start()
    try:
        said = await run("use_forms.py", server.url, f"/incidents/{INCIDENT}")
    finally:
        await server.stop()
    once = [
        "This is not the admin token (server.admin_token).",
        "Acknowledged: no reminder and no escalation until it gets worse.",
        "Silenced.",
        "The silence has ended.",
    ]
    assert said == [*once, *once, "This form was not sent by a page of this monitor."]
    changes = [
        ("acknowledge", INCIDENT, "ada"),
        ("silence", "prod", Fault.EXPORTER_DISABLED, "upgrade"),
        ("expire", "s"),
    ]
    assert done.done == [*changes, *changes]
