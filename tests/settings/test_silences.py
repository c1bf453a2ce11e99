"""Maintenance windows of the configuration."""

import zoneinfo
from collections.abc import Iterator
from datetime import UTC, datetime
from importlib.util import find_spec

import pytest

from monitor.core.model import Fault, TargetName
from monitor.core.silence import silenced_until
from monitor.daemon.compose import silences_of
from monitor.settings.model import Silence
from tests.settings.samples import MINIMAL, complaints, settings


def silence(text: str) -> Silence:
    """One silence, written as in the file."""
    (read,) = settings(f"{MINIMAL}silences: [{text}]\n").silences
    return read


def at(text: str) -> float:
    """Unix seconds of a moment in UTC."""
    return datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp()


def test_a_window_from_one_moment_to_another() -> None:
    """With the offsets of its moments."""
    read = silence(
        "{target: prod-*, fault: config_drift, from: 2026-12-24T18:00:00+01:00, to: 2026-12-25T06:00:00Z, comment: move}"
    )
    assert (read.target, read.fault, read.comment) == ("prod-*", Fault.CONFIG_DRIFT, "move")
    assert (read.starts_at, read.ends_at) == (at("2026-12-24T17:00"), at("2026-12-25T06:00"))


def test_moments_without_offset_need_a_time_zone() -> None:
    """`tz` says which clock is meant; summer time is the zone's."""
    read = silence("{from: 2026-07-01T10:00, to: 2026-12-01 10:00, tz: Europe/Berlin}")
    assert (read.starts_at, read.ends_at) == (at("2026-07-01T08:00"), at("2026-12-01T09:00"))
    (line,) = complaints(MINIMAL + "silences: [{from: 2026-07-01T10:00, to: 2026-07-02T10:00Z}]\n")
    assert line == (
        "config.yaml:6: silences[0]: has a moment without a time zone; allowed: an offset (+01:00, Z), or `tz`"
    )


def test_a_window_may_begin_at_once() -> None:
    """Only its end is needed."""
    read = silence("{to: 2030-01-01T00:00:00Z}")
    assert (read.starts_at, read.ends_at) == (None, at("2030-01-01T00:00"))
    assert (read.target, read.fault) == ("*", None)


def test_a_weekly_window() -> None:
    """Days, hours and the zone of the clock."""
    weekly = silence("{weekly: {days: [sat, Sunday], start: 22:00, end: 6:30, tz: Europe/Berlin}, fault: '*'}").weekly
    assert weekly is not None
    assert (weekly.days, weekly.tz) == (("sat", "sun"), "Europe/Berlin")
    assert (weekly.start.isoformat(), weekly.end.isoformat()) == ("22:00:00", "06:30:00")


@pytest.mark.parametrize(
    ("days", "meant"),
    [
        ("mon-fri", "mon tue wed thu fri"),
        ("fri-mon", "fri sat sun mon"),
        ("sun", "sun"),
        ("[tuesday, tue]", "tue"),
        ("mon-sun", "mon tue wed thu fri sat sun"),
        ("'mon, wed-thu'", "mon wed thu"),
    ],
)
def test_days_may_be_written_as_ranges(days: str, meant: str) -> None:
    """As people say them."""
    weekly = silence(f"{{weekly: {{days: {days}, start: '1:00', end: '24:00', tz: UTC}}}}").weekly
    assert weekly is not None
    assert " ".join(weekly.days) == meant


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("{target: prod}", "silences[0]: needs an end: either `to` (and `from`), or `weekly`"),
        ("{from: 2026-01-01T00:00Z}", "silences[0]: needs an end"),
        ("{to: 2026-01-01T00:00Z, weekly: {tz: UTC}}", "silences[0]: needs an end"),
        ("{from: 2026-01-02T00:00Z, to: 2026-01-01T00:00Z}", "silences[0]: ends before it starts"),
        ("{to: tomorrow}", "silences[0].to: is not a moment; allowed: 2026-12-24T18:00:00+01:00"),
        ("{weekly: {start: 22:00, end: 06:00}}", "silences[0].weekly.tz: is missing (the time zone of the clock"),
        (
            "{weekly: {tz: Mars/Olympus}}",
            "silences[0].weekly.tz: is not a time zone; allowed: names such as Europe/Berlin",
        ),
        ("{weekly: {tz: ../../etc/passwd}}", "silences[0].weekly.tz: is not a time zone"),
        ("{weekly: {tz: Europe}}", "silences[0].weekly.tz: is not a time zone"),
        ("{weekly: {tz: UTC, start: 25:00}}", "silences[0].weekly.start: is not a time of day; allowed: 22:00"),
        ("{weekly: {tz: UTC, end: 24:30}}", "silences[0].weekly.end: is not a time of day; allowed: 22:00"),
        (
            "{weekly: {tz: UTC, days: [caturday]}}",
            "silences[0].weekly.days: is not a day of the week; allowed: mon, tue",
        ),
        ("{weekly: {tz: UTC, days: []}}", "silences[0].weekly.days: is empty, so it never starts"),
        (
            "{fault: drift, to: 2026-01-01T00:00Z}",
            "silences[0].fault: is not one of the words allowed here; did you mean",
        ),
        (
            "{until: 2026-01-01T00:00Z}",
            "silences[0].until: unknown key; allowed here: comment, fault, from, target, to",
        ),
    ],
)
def test_a_wrong_window_is_reported(text: str, said: str) -> None:
    """A silence that never ends, or never begins, is a mistake."""
    assert complaints(f"{MINIMAL}silences: [{text}]\n")[0].startswith(f"config.yaml:6: {said}")


@pytest.fixture
def no_database() -> Iterator[None]:
    """A system without a time-zone database, as slim images are."""
    before = zoneinfo.TZPATH
    zoneinfo.reset_tzpath([])
    zoneinfo.ZoneInfo.clear_cache()
    yield
    zoneinfo.reset_tzpath(before)
    zoneinfo.ZoneInfo.clear_cache()


@pytest.mark.skipif(find_spec("tzdata") is not None, reason="the package is a database too")
def test_without_a_time_zone_database_the_complaint_says_so(no_database: None) -> None:
    """Europe/Berlin is a time zone all the same; and UTC needs no database."""
    assert no_database is None
    text = MINIMAL + "silences: [{weekly: {tz: %s}}]\n"
    (line,) = complaints(text % "Europe/Berlin")
    assert line == (
        "config.yaml:6: silences[0].weekly.tz: cannot be looked up: this system has no time-zone database (tzdata); "
        "only UTC is known"
    )
    (window,) = silences_of(settings(text % "UTC"))
    assert silenced_until((window,), TargetName("prod"), Fault.BLIND, at("2026-12-24T18:00")) is not None
    assert silence("{from: 2026-07-01T10:00, to: 2026-12-01 10:00, tz: UTC}").starts_at == at("2026-07-01T10:00")
