"""The directory of a recording: a file for each exchange as it happens, and an index at the end."""

import json
import re
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from monitor.daemon.compose import secrets_of
from monitor.doctor.recording.disguise import Disguise
from monitor.doctor.recording.sample import Sampler
from monitor.doctor.recording.settings import disguised, host_names, target_names
from monitor.http import Exchange
from monitor.ports import Clock
from monitor.redaction import Redactor
from monitor.settings import Settings
from monitor.version import VERSION

INDEX = "index.json"
KIND = "gateway-trace-monitor recording"
FORMAT = 1
_SAMPLE = re.compile(r"[0-9]{4,}-[a-z_]+\.json")


class Unfit(Exception):
    """Why a directory cannot be recorded into, for people."""


class Recorder:
    """Hears exchanges by `hear`, and writes each down in disguise."""

    def __init__(self, settings: Settings, directory: Path, *, clock: Clock) -> None:
        """Raises Unfit. A directory that holds an earlier recording is taken, and the earlier one removed."""
        _prepare(directory)
        self._settings = settings
        self._directory = directory
        self._began_at = clock.now()
        secrets = list(dict.fromkeys(secrets_of(settings)))
        self._disguise = Disguise(
            secrets={secret: f"recorded-secret-{number}" for number, secret in enumerate(secrets, 1)},
            hosts=host_names(settings),
            redactor=Redactor(secrets),
        )
        self._sampler = Sampler(self._disguise, self._began_at)
        self._report: dict[str, Any] = {"targets": {}}
        self.count = 0
        self.problem: str | None = None

    def hear(self, exchange: Exchange) -> None:
        """Write one exchange down; what cannot be written is a `problem`, and never one of whoever asked."""
        self.count += 1
        self._write(f"{self.count:04}-{exchange.service.value}.json", self._sampler.sample(exchange))

    def conclude(self, report: dict[str, Any]) -> None:
        """Take the verdicts of a report into the index."""
        self._report = report

    def close(self) -> None:
        """Write the index."""
        names = target_names(self._settings)
        verdicts = {
            names[name]: {slug: answer["verdict"] for slug, answer in target["questions"].items()}
            for name, target in self._report["targets"].items()
        }
        self._write(
            INDEX,
            {
                "recording": KIND,
                "format": FORMAT,
                "version": VERSION,
                "date": datetime.fromtimestamp(self._began_at, UTC).isoformat(timespec="seconds"),
                "started_at": self._began_at,
                "settings": disguised(self._settings, self._disguise),
                "verdicts": verdicts,
                "exchanges": self.count,
            },
        )

    def _write(self, name: str, content: dict[str, Any]) -> None:
        try:
            (self._directory / name).write_text(json.dumps(content, indent=1, ensure_ascii=False) + "\n")
        except OSError as error:
            self.problem = f"{name} could not be written: {error.strerror or error}"


def _prepare(directory: Path) -> None:
    """Make the directory, or clear an earlier recording out of it. Raises Unfit."""
    try:
        directory.mkdir(parents=True, exist_ok=True, mode=0o700)
        found = sorted(directory.iterdir())
        if not found:
            (directory / INDEX).write_text(json.dumps({"recording": KIND, "format": FORMAT}) + "\n")
            return
        foreign = [file.name for file in found if file.name != INDEX and not _SAMPLE.fullmatch(file.name)]
        if foreign or not _is_recording(directory / INDEX):
            raise Unfit(
                "the directory is not empty and holds no earlier recording; name a new one, so that nothing of yours is mixed up "
                "with it"
            )
        for file in found:
            file.unlink()
        (directory / INDEX).write_text(json.dumps({"recording": KIND, "format": FORMAT}) + "\n")
    except OSError as error:
        raise Unfit(error.strerror or "it cannot be written to") from None


def _is_recording(index: Path) -> bool:
    try:
        content = json.loads(index.read_text())
    except (OSError, ValueError):
        return False
    return isinstance(content, dict) and content.get("recording") == KIND
