"""One clear line per notice: what `demo` and `simulate` print."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from monitor.core.incident import Notice
from monitor.notifiers import canaries, wording
from monitor.notifiers.wording import Style
from monitor.redaction import clamp

_LONGEST = 2000


@dataclass(frozen=True, slots=True, kw_only=True)
class LogNotifier:
    """Implements `monitor.ports.Notifier`; `write` gets each line without its end, and must not fail."""

    write: Callable[[str], object]
    redact: Callable[[str], str] = field(repr=False)
    name: str = "log"

    async def tell(self, notice: Notice) -> Mapping[str, str]:
        """Write one line."""
        self.write(line(notice, self.redact))
        return {}

    async def test(self, text: str) -> None:
        """Write one line."""
        self.write(_foreign(self.redact)(text, _LONGEST))

    def close(self) -> None:
        """Nothing is held."""


def line(notice: Notice, redact: Callable[[str], str]) -> str:
    """A notice in one line: what happened, and for how it would be told, who would be called and see it in the channel."""
    style = Style(foreign=_foreign(redact), mixed=_foreign(redact), when=wording.utc, code=str, bold=str)
    said = [
        f"{wording.news(notice, style)}: {wording.sentence(notice, style)}",
        wording.place_and_time(notice, style),
        *wording.states(notice, style),
        *wording.others(notice, style),
    ]
    if notice.incident.open:
        said += [*wording.because(notice, style), f"Next: {wording.advice(notice, style)}"]
    else:
        said += canaries.losses(notice, style)
    marks = [word for word, told in (("mention", notice.mention), ("broadcast", notice.broadcast)) if told]
    return clamp(f"{wording.utc(notice.at)} [{', '.join([notice.reason, *marks])}] {' | '.join(said)}", _LONGEST)


def _foreign(redact: Callable[[str], str]) -> Callable[[str, int], str]:
    return lambda text, limit: clamp(" ".join(redact(text).split()), limit)
