"""What is released can be installed: the sdist and the wheel of `make dist`, by pipx, in an environment that has nothing else."""

import json
import os
import subprocess
import sys
import tarfile
import venv
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path

import pytest

from monitor.version import VERSION

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(300)]

ROOT = Path(__file__).parents[2]
PYTHON = ROOT / ".venv-release" / "bin" / "python"
INSTALLED_WITHIN = 240.0


@dataclass(frozen=True, kw_only=True)
class Built:
    """What `make dist` has made."""

    sdist: Path
    wheel: Path


def run(command: list[str], *, within: float = 60.0, cwd: Path = ROOT, env: Mapping[str, str] | None = None) -> str:
    """What a program prints; that it succeeds."""
    done = subprocess.run(command, cwd=cwd, env=env, timeout=within, check=False, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def built() -> Built:
    """Built twice, so that the bytes can be compared."""
    first: dict[str, str] = {}
    for _ in range(2):
        run([str(PYTHON), "-m", "tools.dist"])
        made = {path.name: sha256(path.read_bytes()).hexdigest() for path in (ROOT / "dist").glob("gateway_trace_*")}
        first = first or made
        assert made == first
    (sdist,) = (ROOT / "dist").glob("gateway_trace_monitor-*.tar.gz")
    (wheel,) = (ROOT / "dist").glob("gateway_trace_monitor-*.whl")
    return Built(sdist=sdist, wheel=wheel)


def shipped() -> set[str]:
    """Every file of the program, as git knows them."""
    listed = run(["git", "ls-files", "monitor"]).split()
    return {path for path in listed if (ROOT / path).is_file()}


def test_the_wheel_holds_every_file_of_the_program_and_no_other(built: Built) -> None:
    """Modules, templates, runbooks, schema; the licence beside them."""
    names = zipfile.ZipFile(built.wheel).namelist()
    assert {name for name in names if name.startswith("monitor/")} == shipped()
    assert {name.rpartition("/")[2] for name in names if ".dist-info/" in name} >= {"LICENSE", "METADATA", "RECORD"}
    assert {name.partition("/")[0].partition("-")[0] for name in names} == {"monitor", "gateway_trace_monitor"}


def test_the_sdist_holds_what_the_wheel_is_made_of(built: Built) -> None:
    """And nothing of the machine that packed it: no user, no other time than the commit's."""
    with tarfile.open(built.sdist) as archive:
        members = archive.getmembers()
    top = f"gateway_trace_monitor-{VERSION}/"
    names = {member.name.removeprefix(top) for member in members}
    assert names >= shipped() | {"pyproject.toml", "README.md", "LICENSE", "PKG-INFO"}
    assert {(member.uid, member.gid, member.uname, member.mode) for member in members} == {(0, 0, "", 0o644)}
    assert len({member.mtime for member in members}) == 1


def test_the_sdist_builds_the_same_wheel(built: Built, tmp_path: Path) -> None:
    """Whoever packages it from the source gets what was released."""
    with tarfile.open(built.sdist) as archive:
        archive.extractall(tmp_path, filter="data")
        time = archive.getmembers()[0].mtime
    (source,) = tmp_path.iterdir()
    command = [str(PYTHON), "-m", "build", "--no-isolation", "--wheel", "--outdir", str(tmp_path), str(source)]
    run(command, env={**os.environ, "SOURCE_DATE_EPOCH": str(int(time))})
    (again,) = tmp_path.glob("*.whl")
    assert again.read_bytes() == built.wheel.read_bytes()


def test_pipx_installs_the_wheel_and_it_works_from_an_empty_directory(built: Built, tmp_path: Path) -> None:
    """Its dependencies as locked; nothing of this repository is on its path."""
    empty = tmp_path / "empty"
    empty.mkdir()
    (tmp_path / "constraints.txt").write_text(without_hashes())
    bare = {"HOME": str(tmp_path), "PATH": os.defpath, "LANG": "C.UTF-8"}
    passed_on = {name: value for name, value in os.environ.items() if name.startswith(("PIP_", "SSL_", "HTTPS_PROXY"))}
    pipx = {
        **bare,
        **passed_on,
        "PIPX_HOME": str(tmp_path / "pipx"),
        "PIPX_BIN_DIR": str(tmp_path / "bin"),
        "PIPX_DEFAULT_PYTHON": sys.executable,
        "PIP_CONSTRAINT": str(tmp_path / "constraints.txt"),
    }
    run([str(PYTHON), "-m", "pipx", "install", str(built.wheel)], within=INSTALLED_WITHIN, cwd=empty, env=pipx)

    def trace_monitor(*words: str) -> str:
        return run([str(tmp_path / "bin" / "trace-monitor"), *words], cwd=empty, env=bare)

    assert trace_monitor("--version") == f"trace-monitor {VERSION}\n"
    assert "try out" in trace_monitor("--help")
    assert json.loads(trace_monitor("config", "schema")) == json.loads(
        (ROOT / "monitor" / "settings" / "schema.json").read_text()
    )
    assert "export_failing" in trace_monitor("explain")
    assert "Component: export" in trace_monitor("explain", "export_failing")
    shown = trace_monitor("demo", "--for", "20s")
    assert "exporter_disabled" in shown
    assert "The demo has ended." in shown
    assert list(empty.iterdir()) == []


def without_hashes() -> str:
    """The lock as constraints: those with hashes would want one of the wheel, too."""
    lines = (ROOT / "requirements" / "runtime.txt").read_text().splitlines()
    return "\n".join(line.rstrip(" \\") for line in lines if line[:1].isalnum())


def test_the_extra_for_slacks_buttons_can_be_asked_for(built: Built, tmp_path: Path) -> None:
    """`pipx install 'gateway-trace-monitor[slack-socket]'`: the name that the documentation gives is in the metadata."""
    venv.create(tmp_path / "env", with_pip=False)
    asked = [f"{built.wheel}[slack-socket]", "--dry-run", "--no-deps", "--no-index", "--quiet"]
    run([str(PYTHON), "-m", "pip", "--python", str(tmp_path / "env"), "install", *asked])
    with zipfile.ZipFile(built.wheel) as wheel:
        metadata = wheel.read(f"gateway_trace_monitor-{VERSION}.dist-info/METADATA").decode()
    assert "Provides-Extra: slack-socket\n" in metadata
