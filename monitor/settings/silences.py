"""Maintenance windows from the configuration: which incidents are not told, and when."""

import re
from datetime import datetime, time
from typing import Annotated, Literal, Self

from pydantic import AfterValidator, BeforeValidator, Field, WithJsonSchema, model_validator

from monitor.core.model import Fault
from monitor.core.silence import zone_of, zone_problem
from monitor.settings.fields import Name, Section, problem

Weekday = Literal["mon", "tue", "wed", "thu", "fri", "sat", "sun"]
WEEK: tuple[Weekday, ...] = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
_FULL = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")


def _moment(given: object) -> object:
    """An ISO 8601 moment; with an offset it is final, without one `tz` must say which clock it is."""
    try:
        return datetime.fromisoformat(str(given).strip())
    except ValueError:
        what = "is not a moment; allowed: 2026-12-24T18:00:00+01:00, or without offset and with `tz`"
        raise problem("moment", what) from None


Moment = Annotated[datetime, BeforeValidator(_moment), WithJsonSchema({"type": "string", "format": "date-time"})]


def _zone(name: str) -> str:
    if what := zone_problem(name):
        raise problem("zone", what)
    return name


Zone = Annotated[Name, AfterValidator(_zone)]


def _days(given: object) -> object:
    """Days by name or as a range: `[sat, sun]`, `mon-fri`, `Monday`."""
    texts = given if isinstance(given, list | tuple) else [given]
    days: list[str] = []
    if not texts:
        raise problem("days", "is empty, so it never starts; leave it out for every day")
    for text in texts:
        first, _, last = str(text).strip().lower().partition("-")
        ends = [_day(first), _day(last or first)]
        if None in ends:
            raise problem("days", f"is not a day of the week; allowed: {', '.join(WEEK)}, or mon-fri")
        start, stop = (end or 0 for end in ends)
        days.extend(WEEK[place % 7] for place in range(start, (stop if stop >= start else stop + 7) + 1))
    return tuple(dict.fromkeys(days))


def _day(text: str) -> int | None:
    names = [name for name in (*WEEK, *_FULL) if name == text]
    return WEEK.index(names[0][:3]) if names else None


def _clock(given: object) -> object:
    matched = re.fullmatch(r"([01]?[0-9]|2[0-4]):([0-5][0-9])", str(given).strip())
    if matched is None or (matched[1] == "24" and matched[2] != "00"):
        raise problem("clock", "is not a time of day; allowed: 22:00")
    return time(int(matched[1]) % 24, int(matched[2]))


Clock = Annotated[
    time, BeforeValidator(_clock), WithJsonSchema({"type": "string", "pattern": "^[0-2]?[0-9]:[0-5][0-9]$"})
]


class Weekly(Section):
    """The same hours every week. An `end` that is not after `start` is on the next day."""

    days: Annotated[tuple[Weekday, ...], BeforeValidator(_days)] = WEEK
    """The days on which it starts; default: every day."""
    start: Clock = time()
    """When it starts, by the clock of `tz`."""
    end: Clock = time()
    """When it ends; 24:00 is midnight."""
    tz: Zone
    """The time zone of the clock, such as Europe/Berlin."""


class Silence(Section):
    """One maintenance window: either from one moment to another, or weekly."""

    target: Name = "*"
    """Which targets: a name, or a pattern such as prod-*."""
    fault: Annotated[Fault | None, BeforeValidator(lambda given: None if given == "*" else given)] = None
    """Which incidents, by the name of the fault; null or `*`: all."""
    from_: Moment | None = Field(default=None, alias="from")
    """When it starts; null: at once."""
    to: Moment | None = None
    """When it ends."""
    tz: Zone | None = None
    """The time zone of `from` and `to` where they have no offset."""
    weekly: Weekly | None = None
    """Instead of `from` and `to`: the same hours every week."""
    comment: str = ""
    """Why."""

    @model_validator(mode="after")
    def _has_an_end(self) -> Self:
        if (self.weekly is None) == (self.to is None) or (self.weekly and self.from_):
            raise problem("silence", "needs an end: either `to` (and `from`), or `weekly`")
        naive = [moment for moment in (self.from_, self.to) if moment and moment.tzinfo is None]
        if naive and self.tz is None:
            raise problem("silence", "has a moment without a time zone; allowed: an offset (+01:00, Z), or `tz`")
        if self.starts_at is not None and self.ends_at is not None and self.ends_at <= self.starts_at:
            raise problem("silence", "ends before it starts")
        return self

    @property
    def starts_at(self) -> float | None:
        """Unix seconds; None: at once, or weekly."""
        return self._instant(self.from_)

    @property
    def ends_at(self) -> float | None:
        """Unix seconds; None: weekly."""
        return self._instant(self.to)

    def _instant(self, moment: datetime | None) -> float | None:
        if moment is None:
            return None
        return (moment if moment.tzinfo else moment.replace(tzinfo=zone_of(self.tz or "UTC"))).timestamp()
