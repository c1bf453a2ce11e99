"""Of what nobody is notified: silences by target, by name, from and to, or every week."""

from datetime import UTC, datetime, time
from zoneinfo import ZoneInfo

import pytest

from monitor.core.incident import Diagnosis, Incident
from monitor.core.model import Component, Fault, Severity, TargetName
from monitor.core.silence import Silence, Weekly, active_until, silenced_now, silenced_throughout, silenced_until
from tests.core.build import PROD, F
from tests.fakes.clock import START

ANY_TIME = float("inf")


def until(*silences: Silence, target: TargetName = PROD, fault: Fault = F.BLIND, now: float = START) -> float | None:
    """Until when an incident is silenced."""
    return silenced_until(silences, target, fault, now)


@pytest.mark.parametrize(
    ("silence", "silenced"),
    [
        (Silence(id="1"), True),
        (Silence(id="1", target="prod"), True),
        (Silence(id="1", target="pro*"), True),
        (Silence(id="1", target="PROD"), False),
        (Silence(id="1", target="staging"), False),
        (Silence(id="1", fault=F.BLIND), True),
        (Silence(id="1", fault=F.KEY_REJECTED), False),
        (Silence(id="1", target="staging", fault=F.BLIND), False),
    ],
)
def test_a_silence_matches_target_and_name(silence: Silence, silenced: bool) -> None:
    """The target is a glob; no fault means any."""
    assert until(silence) == (ANY_TIME if silenced else None)


@pytest.mark.parametrize(
    ("begins", "ends", "silenced"),
    [
        (None, None, True),
        (START, None, True),
        (START + 1, None, False),
        (None, START + 1, True),
        (None, START, False),
        (START - 5, START + 5, True),
        (START - 5, START - 1, False),
    ],
)
def test_a_silence_lasts_from_its_beginning_to_before_its_end(
    begins: float | None, ends: float | None, silenced: bool
) -> None:
    """An open side never ends."""
    found = until(Silence(id="1", begins_at=begins, ends_at=ends))
    assert found == ((ends if ends is not None else ANY_TIME) if silenced else None)


def test_where_nothing_is_open_any_name_that_is_silenced_counts() -> None:
    """With an incident, its own alone."""
    one, other = (
        Silence(id="1", fault=F.BLIND, ends_at=START + 5),
        Silence(id="2", fault=F.KEY_REJECTED, ends_at=START + 9),
    )
    diagnosis = Diagnosis(fault=F.BLIND, severity=Severity.WARNING, component=Component.MONITOR, summary="blind")
    incident = Incident(id="i", target=PROD, opened_at=START, diagnosis=diagnosis, worst=Severity.WARNING)
    for silences, with_incident, without in (
        ((one, other), START + 5, START + 9),
        ((other,), None, START + 9),
        ((), None, None),
    ):
        assert silenced_now(silences, PROD, incident, START) == with_incident
        assert silenced_now(silences, PROD, None, START) == without
    assert silenced_now((one, other), TargetName("staging"), None, START + 9) is None


def test_whether_a_silence_is_active_is_a_matter_of_time_alone() -> None:
    """Whatever it matches."""
    assert active_until(Silence(id="1", target="nobody", fault=F.BLIND, ends_at=START + 60), START) == START + 60
    assert active_until(Silence(id="1", begins_at=START + 60), START) is None


def test_of_several_silences_the_longest_counts() -> None:
    """Those that do not match do not."""
    short, long = Silence(id="1", ends_at=START + 5), Silence(id="2", ends_at=START + 9)
    other = Silence(id="3", target="other", ends_at=START + 99)
    assert until(short, long, other) == START + 9
    assert until() is None


@pytest.mark.parametrize(
    ("silence", "throughout"),
    [
        (Silence(id="1", begins_at=START, ends_at=START + 60), START + 60),
        (Silence(id="1", begins_at=START + 1, ends_at=START + 60), None),
        (Silence(id="1", begins_at=START, ends_at=START + 30), None),
        (Silence(id="1", fault=F.KEY_REJECTED), None),
        (Silence(id="1"), ANY_TIME),
    ],
)
def test_only_one_silence_from_opening_to_resolve_makes_an_incident_history(
    silence: Silence, throughout: float | None
) -> None:
    """One that began later, or ended before, does not."""
    found = silenced_throughout((silence,), PROD, {F.BLIND}, since=START, until=START + 30)
    assert found == throughout


def test_a_silence_of_one_name_does_not_cover_an_incident_that_bore_another() -> None:
    """Under the other it may have been reported."""
    names = {F.BLIND, F.KEY_REJECTED}
    one, any_name = Silence(id="1", fault=F.BLIND), Silence(id="2")
    assert silenced_throughout((one,), PROD, names, since=START, until=START + 30) is None
    assert silenced_throughout((one, any_name), PROD, names, since=START, until=START + 30) == ANY_TIME


def test_two_silences_one_after_the_other_are_not_one() -> None:
    """Nor are two nights of one weekly window."""
    first = Silence(id="1", begins_at=START, ends_at=START + 20)
    second = Silence(id="2", begins_at=START + 20, ends_at=START + 90)
    assert silenced_throughout((first, second), PROD, {F.BLIND}, since=START, until=START + 30) is None
    nights = weekly(set(range(7)), "22:00", "06:00")
    monday, tuesday = moment("2027-01-18 23:00"), moment("2027-01-19 23:00")
    assert silenced_throughout((nights,), PROD, {F.BLIND}, since=monday, until=tuesday) is None
    assert silenced_throughout((nights,), PROD, {F.BLIND}, since=monday, until=monday + 3600) == moment(
        "2027-01-19 06:00"
    )


def moment(text: str, zone: str = "UTC") -> float:
    """A moment by its local time."""
    return datetime.fromisoformat(text).replace(tzinfo=ZoneInfo(zone)).timestamp()


def weekly(days: set[int], start: str, end: str, zone: str = "UTC") -> Silence:
    """A window that comes back every week."""
    window = Weekly(days=frozenset(days), start=time.fromisoformat(start), end=time.fromisoformat(end), zone=zone)
    return Silence(id="1", weekly=window)


SUNDAY, MONDAY, TUESDAY = 6, 0, 1


@pytest.mark.parametrize(
    ("now", "ends"),
    [
        ("2027-01-18 01:59:59", None),
        ("2027-01-18 02:00:00", "2027-01-18 04:00"),
        ("2027-01-18 03:59:59", "2027-01-18 04:00"),
        ("2027-01-18 04:00:00", None),
        ("2027-01-19 03:00:00", None),
        ("2027-01-25 03:00:00", "2027-01-25 04:00"),
    ],
)
def test_a_weekly_window_comes_back_on_its_days(now: str, ends: str | None) -> None:
    """2027-01-18 is a Monday."""
    assert until(weekly({MONDAY}, "02:00", "04:00"), now=moment(now)) == (moment(ends) if ends else None)


@pytest.mark.parametrize(
    ("now", "ends"),
    [
        ("2027-01-18 21:59:59", None),
        ("2027-01-18 22:00:00", "2027-01-19 06:00"),
        ("2027-01-18 23:59:59", "2027-01-19 06:00"),
        ("2027-01-19 00:00:00", "2027-01-19 06:00"),
        ("2027-01-19 05:59:59", "2027-01-19 06:00"),
        ("2027-01-19 06:00:00", None),
        ("2027-01-18 05:00:00", None),
    ],
)
def test_a_weekly_window_may_last_past_midnight(now: str, ends: str | None) -> None:
    """It belongs to the day on which it began."""
    assert until(weekly({MONDAY}, "22:00", "06:00"), now=moment(now)) == (moment(ends) if ends else None)


def test_a_window_that_ends_when_it_begins_lasts_a_day() -> None:
    """From Monday noon to Tuesday noon."""
    noon = weekly({MONDAY}, "12:00", "12:00")
    assert until(noon, now=moment("2027-01-19 11:59")) == moment("2027-01-19 12:00")
    assert until(noon, now=moment("2027-01-19 12:00")) is None
    every_day = weekly(set(range(7)), "12:00", "12:00")
    assert until(every_day, now=moment("2027-01-19 12:00")) == moment("2027-01-20 12:00")


BERLIN = "Europe/Berlin"


def test_local_time_decides_the_day() -> None:
    """00:30 on Monday in Berlin is still Sunday in UTC."""
    night = weekly({MONDAY}, "00:00", "01:00", BERLIN)
    assert until(night, now=moment("2027-01-18 00:30", BERLIN)) == moment("2027-01-18 01:00", BERLIN)
    assert datetime.fromtimestamp(moment("2027-01-18 00:30", BERLIN), UTC).weekday() == SUNDAY


@pytest.mark.parametrize(
    ("day", "hours"),
    [("2027-03-21", 8), ("2027-03-28", 7), ("2027-10-31", 9)],
    ids=["an ordinary night", "clocks go forward", "clocks go back"],
)
def test_a_night_is_as_long_as_its_clocks_say(day: str, hours: int) -> None:
    """22:00 to 06:00 local time, whatever the clocks do at two or three."""
    before = datetime.fromisoformat(day).toordinal() - 1
    evening = moment(f"{datetime.fromordinal(before):%Y-%m-%d} 22:00", BERLIN)
    night = weekly({datetime.fromordinal(before).weekday()}, "22:00", "06:00", BERLIN)
    assert until(night, now=evening - 1) is None
    assert until(night, now=evening) == evening + hours * 3600
    assert until(night, now=evening + hours * 3600 - 1) == evening + hours * 3600
    assert until(night, now=evening + hours * 3600) is None


def test_a_window_in_the_hour_that_does_not_exist_is_not_lost() -> None:
    """02:15 to 03:30 on the night when two o'clock is followed by three: it ends at half past three."""
    window = weekly({SUNDAY}, "02:15", "03:30", BERLIN)
    assert until(window, now=moment("2027-03-28 03:20", BERLIN)) == moment("2027-03-28 03:30", BERLIN)
    assert until(window, now=moment("2027-03-28 03:30", BERLIN)) is None


def test_a_window_in_the_hour_that_comes_twice_ends_once() -> None:
    """02:15 to 02:45 on the night when two o'clock comes again: the first time counts."""
    window = weekly({SUNDAY}, "02:15", "02:45", BERLIN)
    first = moment("2027-10-31 02:30", BERLIN)
    assert until(window, now=first) == first + 900
    assert until(window, now=first + 3600) is None
