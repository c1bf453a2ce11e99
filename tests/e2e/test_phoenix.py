"""A trace store that nobody here wrote: the sandbox's gateway exports to a real Phoenix, and the monitor reads it back from there.

What is broken is broken in the sandbox, or in Phoenix itself; what it is called is asked of `trace-monitor check`.
"""

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from monitor.sandbox import BackendKind, Sandbox, serve
from tests.e2e.harness import PhoenixProcess, check, phoenix_running, write_configuration

pytestmark = [pytest.mark.e2e, pytest.mark.anyio, pytest.mark.timeout(420)]

_A_DAY = 86_400.0
_QUICK = {"look_closer_after": "2s", "late_after": "8s", "missing_after": "10s", "settle": "1s"}


@pytest.fixture(scope="session")
def closed_phoenix(tmp_path_factory: pytest.TempPathFactory) -> Iterator[PhoenixProcess]:
    """With authentication."""
    with phoenix_running(tmp_path_factory.mktemp("phoenix") / "closed", authenticates=True) as process:
        yield process


class Lab:
    """A gateway that exports to a project of a real Phoenix, and the configuration of a monitor that watches both."""

    def __init__(
        self,
        sandbox: Sandbox,
        phoenix: PhoenixProcess,
        directory: Path,
        *,
        project: str,
        key: str | None,
        content: bool,
    ) -> None:
        self.sandbox = sandbox
        self._directory = directory
        headers = {"x-project-name": project, **({"Authorization": f"Bearer {key}"} if key else {})}
        world = sandbox.world
        world.configurations.reset(phoenix.url, headers, content=content, at=world.now() - _A_DAY)
        demo: dict[str, Any] = dict(sandbox.configuration()["targets"]["demo"])  # type: ignore[index]
        demo["phoenix"] = {"url": phoenix.url, "project": project, **({"api_key": key} if key else {})}
        demo["checks"] = {"arrival": _QUICK}
        self.target = demo

    async def check(self, *options: str) -> dict[str, Any]:
        """What `trace-monitor check` says of the target, with its exit code."""
        path = write_configuration(self._directory, {"targets": {"demo": self.target}})
        self.sandbox.exporter.forget_configuration()
        code, report = await asyncio.to_thread(check, path, *options)
        target: dict[str, Any] = report["targets"]["demo"]
        return {**target, "exit": code}


@asynccontextmanager
async def lab(
    phoenix: PhoenixProcess, directory: Path, *, project: str, key: str | None = None, content: bool = False
) -> AsyncIterator[Lab]:
    """A sandbox of its own, ten times as fast as the real services, whose gateway exports to Phoenix."""
    kind = BackendKind.PHOENIX if key is not None else BackendKind.OPEN_PHOENIX
    async with serve(time_factor=0.1, content=content, backend=kind) as sandbox:
        yield Lab(sandbox, phoenix, directory, project=project, key=key, content=content)


async def test_a_trace_that_is_exported_to_phoenix_is_reported_as_arrived(
    open_phoenix: PhoenixProcess, tmp_path: Path
) -> None:
    """Without authentication: the canary's trace and the test span are read back, and what Phoenix cannot tell is no fault."""
    async with lab(open_phoenix, tmp_path, project="healthy") as it:
        found = await it.check()
    assert (found["exit"], found["verdict"], found["fault"]) == (0, "pass", None), found
    assert {name: each["verdict"] for name, each in found["checks"].items()} == dict.fromkeys(found["checks"], "pass")
    assert found["checks"]["arrival"]["evidence"]["spans"] == 3
    assert "Traceloop" not in str(found), found


async def test_the_default_project_needs_no_header(open_phoenix: PhoenixProcess, tmp_path: Path) -> None:
    """Where nobody names a project, Phoenix takes `default`."""
    async with lab(open_phoenix, tmp_path, project="default") as it:
        world = it.sandbox.world
        world.configurations.reset(open_phoenix.url, {}, content=False, at=world.now() - _A_DAY)
        found = await it.check()
    assert (found["exit"], found["verdict"]) == (0, "pass"), found


@pytest.mark.parametrize(
    ("fault", "names", "severity"),
    [
        ("exporter_disabled", {"exporter_disabled"}, "critical"),
        ("config_drift", {"config_drift"}, "critical"),
        ("config_drift_encoding", {"config_drift"}, "critical"),
        ("export_failing", {"export_failing", "trace_missing"}, "critical"),
        ("content_leaked", {"content_leaked"}, "critical"),
    ],
)
async def test_what_is_broken_is_called_by_its_name(
    open_phoenix: PhoenixProcess, tmp_path: Path, fault: str, names: set[str], severity: str
) -> None:
    """The same faults as before Traceloop, and Phoenix is the one who is named."""
    async with lab(open_phoenix, tmp_path, project=fault) as it:
        await it.sandbox.break_(fault)
        found = await it.check()
    assert found["exit"] == 1, found
    assert found["fault"] in names, found
    assert found["severity"] == severity
    assert "Traceloop" not in str(found), found


async def test_content_that_is_expected_and_missing_is_noticed(open_phoenix: PhoenixProcess, tmp_path: Path) -> None:
    """What Phoenix derives from other attributes (`output.value`) does not pass for content."""
    async with lab(open_phoenix, tmp_path, project="content", content=True) as it:
        healthy = await it.check()
        assert (healthy["exit"], healthy["verdict"]) == (0, "pass"), healthy
        await it.sandbox.break_("content_missing")
        found = await it.check()
    assert (found["exit"], found["fault"]) == (1, "content_missing"), found


async def test_an_address_below_which_phoenix_has_nothing_is_no_empty_project(
    open_phoenix: PhoenixProcess, tmp_path: Path
) -> None:
    """It answers 200 with its web page, which proves nothing."""
    async with lab(open_phoenix, tmp_path, project="page") as it:
        it.target["phoenix"]["url"] = f"{open_phoenix.url}/elsewhere"
        it.target["phoenix"]["endpoint"] = f"{open_phoenix.url}/v1/traces"
        found = await it.check("--timeout", "12s")
    assert (found["exit"], found["verdict"]) == (3, "unknown"), found
    assert "a web page" in str(found["checks"]["arrival"]), found


async def test_with_authentication_the_key_is_sent_and_a_revoked_one_is_named(
    closed_phoenix: PhoenixProcess, tmp_path: Path
) -> None:
    """A system key that exporter and monitor share; once it is deleted, Phoenix answers 401 to both."""
    key_id, key = closed_phoenix.create_key()
    async with lab(closed_phoenix, tmp_path, project="closed", key=key) as it:
        healthy = await it.check()
        assert (healthy["exit"], healthy["verdict"]) == (0, "pass"), healthy
        closed_phoenix.delete_key(key_id)
        found = await it.check()
    assert (found["exit"], found["fault"], found["component"]) == (1, "key_rejected", "phoenix"), found
    assert "Traceloop" not in str(found), found


async def test_a_phoenix_that_wants_a_key_refuses_who_has_none(closed_phoenix: PhoenixProcess, tmp_path: Path) -> None:
    """The exporter sends none either, so nothing is stored."""
    async with lab(closed_phoenix, tmp_path, project="keyless") as it:
        found = await it.check()
    assert (found["exit"], found["fault"]) == (1, "key_rejected"), found
    assert found["summary"].startswith("Phoenix asks for a key, and none is configured."), found


async def test_another_key_at_the_exporter_may_be_as_good(closed_phoenix: PhoenixProcess, tmp_path: Path) -> None:
    """Every key leads to the same projects: the traces arrive, and the difference is a warning."""
    _, ours = closed_phoenix.create_key()
    _, theirs = closed_phoenix.create_key()
    async with lab(closed_phoenix, tmp_path, project="two-keys", key=theirs) as it:
        it.target["phoenix"]["api_key"] = ours
        found = await it.check()
    assert (found["fault"], found["severity"]) == ("config_drift", "warning"), found
    assert found["checks"]["arrival"]["verdict"] == "pass"
