"""The maintenance windows of the configuration, as the core knows silences."""

from monitor.core.silence import Silence, Weekly
from monitor.settings import Settings
from monitor.settings.model import WEEK
from monitor.settings.model import Silence as Window


def windows_of(settings: Settings) -> tuple[Silence, ...]:
    """Every configured window; its id is its place."""
    return tuple(_silence(place, window) for place, window in enumerate(settings.silences))


def _silence(place: int, window: Window) -> Silence:
    weekly = window.weekly
    return Silence(
        id=f"configured-{place + 1}",
        target=window.target,
        fault=window.fault,
        begins_at=window.starts_at,
        ends_at=window.ends_at,
        weekly=None
        if weekly is None
        else Weekly(
            days=frozenset(WEEK.index(day) for day in weekly.days),
            start=weekly.start,
            end=weekly.end,
            zone=weekly.tz,
        ),
        comment=window.comment,
        author="configuration",
    )
