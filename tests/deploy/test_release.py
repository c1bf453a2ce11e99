"""What is released agrees with itself: version, changelog, package data, licences."""

import re
import tomllib
from importlib.metadata import Distribution, PackageNotFoundError, distribution
from pathlib import Path

import pytest

from monitor.version import VERSION
from tools.licenses import NOT_PERMISSIVE_BUT_USED, is_accepted, license_of, texts_of
from tools.release_check import problems, sections

ROOT = Path(__file__).parents[2]
CHANGELOG = (ROOT / "CHANGELOG.md").read_text()

GOOD = "# Changelog\n\n## [Unreleased]\n\n## [1.1.0] - 2026-03-01\n\n- new\n\n## [1.0.9] - 2026-02-01\n\n- old\n"


def test_version_and_changelog_agree() -> None:
    """`make release-check` says the same."""
    assert list(problems(CHANGELOG, VERSION)) == []


def test_a_release_has_its_notes() -> None:
    """Those of its own section."""
    assert list(problems(GOOD, "1.1.0", "v1.1.0")) == []
    assert sections(GOOD)["1.1.0"] == ("2026-03-01", "- new")


@pytest.mark.parametrize(
    ("changelog", "version", "tag", "said"),
    [
        (GOOD, "1.2.0", None, "monitor/version.py says 1.2.0, the newest version in CHANGELOG.md is 1.1.0"),
        (GOOD, "1.1.0", "v1.1", "the tag is v1.1, monitor/version.py says 1.1.0: tag v1.1.0"),
        (
            GOOD.replace("[Unreleased]\n", "[Unreleased]\n\n- not yet\n"),
            "1.1.0",
            "v1.1.0",
            "CHANGELOG.md: what is unreleased must move below the heading of the version",
        ),
        (GOOD.replace(" - 2026-03-01", ""), "1.1.0", None, "CHANGELOG.md: no date after 1.1.0"),
        (
            GOOD.replace("1.0.9", "1.1.1"),
            "1.1.0",
            None,
            "CHANGELOG.md: the newest version comes first, below `## [Unreleased]`",
        ),
        (
            GOOD.replace("[1.0.9]", "[one]"),
            "1.1.0",
            None,
            "CHANGELOG.md: a heading is `## [1.2.3] - 2026-01-31`, with a semantic version",
        ),
    ],
)
def test_what_a_release_lacks_is_said(changelog: str, version: str, tag: str | None, said: str) -> None:
    """In one sentence, before anything is published."""
    assert list(problems(changelog, version, tag)) == [said]


def test_the_package_data_is_every_file_that_is_no_module() -> None:
    """A new template or table that no pattern names would be missing in the wheel only."""
    patterns = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["setuptools"]["package-data"]["monitor"]
    listed = {path for pattern in patterns for path in (ROOT / "monitor").glob(pattern) if path.is_file()}
    there = {path for path in (ROOT / "monitor").rglob("*") if path.is_file() and "__pycache__" not in path.parts}
    assert listed == {path for path in there if path.suffix not in {".py", ".db"}}


def shipped() -> list[str]:
    """Every package that the program brings along, with or without Slack's buttons."""
    locks = "".join((ROOT / "requirements" / name).read_text() for name in ("runtime.txt", "slack-socket.txt"))
    return sorted(set(re.findall(r"^([\w.-]+)(?:\[[\w,]+\])?==", locks, re.MULTILINE)))


def found(name: str) -> Distribution:
    """It, as it is installed here; some are for other systems only."""
    try:
        return distribution(name)
    except PackageNotFoundError:
        lock = (ROOT / "requirements" / "slack-socket.txt").read_text()
        assert re.search(rf"^{name}==\S+ ; ", lock, re.MULTILINE), f"{name} is not installed"
        pytest.skip(f"{name} is not for this system")


@pytest.mark.parametrize("name", shipped())
def test_what_is_shipped_is_under_a_permissive_licence(name: str) -> None:
    """Whoever runs it or builds on it owes nobody their own source."""
    assert is_accepted(name, license_of(found(name)))


def test_other_licences_are_not_accepted() -> None:
    """Not by half either, and an exception is of one package and one licence."""
    assert not is_accepted("anything", "")
    assert not is_accepted("anything", "GPL-3.0-only")
    assert not is_accepted("anything", "MIT AND GPL-3.0-only")
    assert not is_accepted("anything", "MPL-2.0")
    assert is_accepted("certifi", "MPL-2.0")
    assert set(NOT_PERMISSIVE_BUT_USED) <= set(shipped())


def test_the_text_of_a_licence_is_that_of_the_package() -> None:
    """What `dist/licenses.txt` is made of."""
    assert any("Apache License" in text for text in texts_of(distribution("prometheus-client")))
