"""The maintenance windows of the configuration, as the core knows silences."""

from datetime import UTC, datetime, time

from monitor.core.model import Fault
from monitor.core.silence import Silence, Weekly, silenced_until
from monitor.daemon.compose import silences_of
from tests.core.build import PROD
from tests.settings.samples import MINIMAL, settings

ONCE = """\
silences:
  - {target: "prod-*", fault: config_drift, from: "2027-01-15T08:00:00+01:00", to: "2027-01-15T10:00:00+01:00", comment: move}
"""
WEEKLY = """\
silences:
  - {weekly: {days: sat-sun, start: "22:00", end: "06:00", tz: Europe/Berlin}}
"""


def test_a_window_from_to() -> None:
    """With its place as its id: it cannot be expired by the API."""
    assert silences_of(settings(MINIMAL + ONCE)) == (
        Silence(
            id="configured-1",
            target="prod-*",
            fault=Fault.CONFIG_DRIFT,
            begins_at=datetime(2027, 1, 15, 7, tzinfo=UTC).timestamp(),
            ends_at=datetime(2027, 1, 15, 9, tzinfo=UTC).timestamp(),
            comment="move",
            author="configuration",
        ),
    )


def test_a_window_that_comes_every_week() -> None:
    """Days from Monday on, in its own time zone, past midnight."""
    (window,) = silences_of(settings(MINIMAL + WEEKLY))
    assert window.weekly == Weekly(days=frozenset({5, 6}), start=time(22), end=time(6), zone="Europe/Berlin")
    saturday_night = datetime(2027, 1, 17, 1, tzinfo=UTC).timestamp()  # 02:00 on Sunday in Berlin
    assert silenced_until((window,), PROD, Fault.BLIND, saturday_night) is not None
    assert silenced_until((window,), PROD, Fault.BLIND, saturday_night + 12 * 3600) is None


def test_no_windows_is_usual() -> None:
    """Nothing is muted."""
    assert silences_of(settings(MINIMAL)) == ()
