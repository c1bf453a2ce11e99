"""The pages in a real browser: nothing is cut off, nothing is asked of others, and the accessibility checker has nothing to say."""

import asyncio
import json
import shutil
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from monitor.web.server import WebServer
from tests.browser.sites import INCIDENT, PAST, sites

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


async def visited(visits: list[dict[str, Any]]) -> dict[str, list[str]]:
    """What is wrong with each page."""
    process = await asyncio.create_subprocess_exec(
        PYTHON,
        ROOT / "tests" / "browser" / "visit.py",
        str(CHROMIUM),
        PICTURES,
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
    )
    said, _ = await process.communicate(json.dumps(visits).encode())
    assert process.returncode == 0
    found: dict[str, list[str]] = json.loads(said)
    return found


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
        assert await visited(visits) == {}
