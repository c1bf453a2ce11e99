"""The samples of this folder, and its README as their index."""

import re
from dataclasses import dataclass
from pathlib import Path

from tests.fakes.remote import Reply

FOLDER = Path(__file__).parent
_LINE = re.compile(r"\| (?P<name>\w+/\w+) \| (?P<judged>[^|]+) \| (?P<source>https://\S+) \|")


@dataclass(frozen=True, slots=True, kw_only=True)
class Sample:
    """One recorded answer, what it must be judged as, and where its shape stands."""

    name: str
    judged: str
    source: str

    @property
    def kind(self) -> str:
        """Which answer this is."""
        return self.name.partition("/")[0]

    @property
    def reply(self) -> Reply:
        """As it is played back."""
        status, *lines = (FOLDER / self.name / "head").read_text().splitlines()
        pairs = [line.partition(": ") for line in lines]
        body = (FOLDER / self.name / "body").read_bytes()
        return Reply(body, status=int(status), headers={name: value for name, _, value in pairs})


def samples() -> list[Sample]:
    """Every one that the README lists."""
    lines = (FOLDER / "README.md").read_text().splitlines()
    return [Sample(**found.groupdict()) for found in map(_LINE.fullmatch, lines) if found]
