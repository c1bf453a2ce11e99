"""What became of the canaries of an incident, in words. Pure."""

from monitor.core.incident import Notice
from monitor.notifiers.wording import Style

_LONGEST_ID = 80


def losses(notice: Notice, style: Style) -> list[str]:
    """What became of the canaries meanwhile, and which are late and which are lost."""
    found = notice.incident.losses
    if found is None:
        return []
    said = str(found)
    return [
        f"{said[0].upper()}{said[1:]}.",
        *_named("Late, the longest first", found.late_ids, found.late, style),
        *_named("Lost, the newest first", found.lost_ids, found.lost, style),
    ]


def _named(title: str, ids: tuple[str, ...], count: int, style: Style) -> list[str]:
    if not ids:
        return []
    names = ", ".join(style.code(style.foreign(trace_id, _LONGEST_ID)) for trace_id in ids)
    more = count - len(ids)
    return [f"{title}: {names}" + (f" and {more} more" if more > 0 else "")]
