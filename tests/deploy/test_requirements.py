"""The locks hold what pyproject.toml asks for, by hash, and say nothing of where they were made."""

import re
import tomllib
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).parents[2]
LOCKS = sorted((ROOT / "requirements").glob("*.txt"))
PIN = re.compile(r"^([\w.-]+)(?:\[[\w, -]+\])?==([^\s;]+)(?: ; [^\\]+)? \\$", flags=re.MULTILINE)


def _pins(lock: str) -> dict[str, str]:
    return {
        canonicalize_name(name): version for name, version in PIN.findall((ROOT / "requirements" / lock).read_text())
    }


def _asked_for() -> list[Requirement]:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    return [Requirement(line) for line in project["dependencies"]]


@pytest.mark.parametrize("wanted", _asked_for(), ids=lambda wanted: wanted.name)
def test_the_runtime_lock_satisfies_pyproject(wanted: Requirement) -> None:
    """A dependency that was added or moved in pyproject.toml is in the lock: else run `make lock`."""
    version = _pins("runtime.txt").get(canonicalize_name(wanted.name))
    assert version is not None
    assert wanted.specifier.contains(version, prereleases=True)


@pytest.mark.parametrize(
    ("smaller", "larger"),
    [("runtime.txt", "test.txt"), ("build.txt", "test.txt"), ("test.txt", "check.txt"), ("build.txt", "release.txt")],
)
def test_each_lock_contains_the_one_before(smaller: str, larger: str) -> None:
    """What is tested is what runs: the same versions everywhere."""
    assert _pins(smaller).items() <= _pins(larger).items()


@pytest.mark.parametrize("lock", LOCKS, ids=lambda lock: lock.name)
def test_a_lock_names_no_index_and_no_machine(lock: Path) -> None:
    """Anybody's index serves it: no URL, no option, no absolute path."""
    lines = lock.read_text().splitlines()
    assert not [line for line in lines if "://" in line or line.startswith("-") or re.search(r"(?:^|\s)/\w", line)]


@pytest.mark.parametrize("lock", LOCKS, ids=lambda lock: lock.name)
def test_every_pin_has_a_hash(lock: Path) -> None:
    """`pip install --require-hashes` accepts the file."""
    entries = re.split(r"^(?=\w)", lock.read_text(), flags=re.MULTILINE)[1:]
    assert entries
    assert not [entry.splitlines()[0] for entry in entries if "--hash=sha256:" not in entry or not PIN.match(entry)]


@pytest.mark.parametrize("lock", ["slack-socket.txt", "test.txt"])
def test_the_extra_for_slacks_buttons_is_locked_beside_what_runs(lock: str) -> None:
    """Whoever wants buttons installs the same versions of everything else; the tests have them all."""
    extra = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["optional-dependencies"]["slack-socket"]
    pins = _pins(lock)
    assert _pins("runtime.txt").items() <= pins.items()
    for wanted in map(Requirement, extra):
        assert wanted.specifier.contains(pins[canonicalize_name(wanted.name)])
        assert canonicalize_name(wanted.name) not in _pins("runtime.txt")
