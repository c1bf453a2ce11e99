"""docs/webhook.md is what receivers are built by: it says what is sent, and its code works."""

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest

from monitor.core.incident import Losses, Notice, Reason
from tests.fakes.clock import START
from tests.notifiers import notices
from tests.notifiers.notices import KINDS
from tests.notifiers.test_webhook import Hook, a_webhook
from tests.scenarios.house import HOUR, house

TEXT = (Path(__file__).parents[2] / "docs" / "webhook.md").read_text()
FIELDS = dict(re.findall(r"^\| `([\w.]+)` \| ([\w ]+) \|", TEXT.partition("| reason | is")[0], flags=re.MULTILINE))
EXAMPLES = {
    example["reason"]: example for example in map(json.loads, re.findall(r"```json\n(.*?)```", TEXT, re.DOTALL))
}
SHOWN = {
    Reason.CHANGED: notices.changed,
    Reason.REMINDER: notices.reminder,
    Reason.ESCALATED: notices.escalated,
    Reason.EDITED: notices.acknowledged,
    Reason.RESOLVED: notices.resolved,
}


def _is_time(value: object) -> bool:
    return isinstance(value, str) and datetime.fromisoformat(value).tzinfo is not None and value.endswith("Z")


FITS = {
    "string": lambda value: isinstance(value, str),
    "integer": lambda value: isinstance(value, int) and not isinstance(value, bool),
    "number": lambda value: isinstance(value, int | float) and not isinstance(value, bool),
    "boolean": lambda value: isinstance(value, bool),
    "object": lambda value: isinstance(value, dict),
    "list of strings": lambda value: isinstance(value, list) and all(isinstance(each, str) for each in value),
    "time": _is_time,
}


def _fields(said: Mapping[str, Any], at: str = "") -> Iterator[tuple[str, Any]]:
    """Every field by its dotted name; the labels are the operator's."""
    for name, value in said.items():
        yield f"{at}{name}", value
        if isinstance(value, dict) and name != "labels":
            yield from _fields(value, f"{at}{name}.")


def _named(said: Mapping[str, Any]) -> Mapping[str, Any]:
    """Without the digest in the name of the delivery, which may be any."""
    return {**said, "delivery": re.sub(r"[0-9a-f]{16}$", "…", said["delivery"])}


async def _said(*kinds: str) -> list[dict[str, Any]]:
    hook = Hook()
    for kind in kinds:
        await a_webhook(hook).deliver(KINDS[kind]())
    return hook.receiver.taken


@pytest.mark.parametrize("kind", KINDS)
async def test_every_field_is_described_with_its_type(kind: str) -> None:
    """In the table."""
    (said,) = await _said(kind)
    for name, value in _fields(said):
        kinds = FIELDS[name]
        nullable = kinds.endswith(" or null")
        assert (value is None and nullable) or FITS[kinds.removesuffix(" or null")](value), (name, value)


async def test_no_field_is_described_that_is_not_sent() -> None:
    """Among notices of every kind each is found, and each that may be null is so once, and once is not."""
    hook = Hook()
    endless = replace(notices.silenced(), silenced_until=float("inf"))
    unmeasured = replace(notices.resolved().incident, losses=Losses(sent=1, lost=1))
    for notice in (*(kind() for kind in KINDS.values()), endless, replace(notices.resolved(), incident=unmeasured)):
        await a_webhook(hook).deliver(notice)
    said = [field for body in hook.receiver.taken for field in _fields(body)]
    assert {name for name, _ in said} == set(FIELDS)
    values = {name: [value for known, value in said if known == name] for name in FIELDS}
    nullable = {name for name, kind in FIELDS.items() if kind.endswith(" or null")}
    assert {name for name, found in values.items() if None in found} | {"incident.since"} == nullable
    assert all(any(value is not None for value in found) for found in values.values())


def test_every_reason_is_explained_and_shown() -> None:
    """Once each."""
    explained = re.findall(r"^\| `(\w+)` \| ", TEXT.partition("| reason | is")[2], flags=re.MULTILINE)
    assert explained == [reason for reason in Reason if reason is not Reason.TEST]
    assert list(EXAMPLES) == [str(reason) for reason in Reason]


@pytest.mark.parametrize("reason", SHOWN)
async def test_an_example_is_what_is_sent(reason: Reason) -> None:
    """The part of it that is different from an opening."""
    (said,) = await _said(SHOWN[reason].__name__)
    example = EXAMPLES[reason]
    part = {name: said[name] for name in example}
    if "incident" in example:
        part["incident"] = {name: said["incident"][name] for name in example["incident"]}
    assert _named(example) == _named(part)


async def test_the_whole_example_is_what_the_program_sends_of_a_wrong_endpoint() -> None:
    """Every sentence is the daemon's own; only target, incident and label are named as in the other examples, at a full minute."""
    async with house() as home:
        await home.settle_in()
        await home.break_("config_drift")
        await home.until(lambda: home.incident, limit=HOUR)
        found = home.incident
    assert found is not None
    incident = replace(
        found,
        id=notices.an_incident().id,
        target=notices.PROD,
        opened_at=START,
        diagnosis=replace(found.diagnosis, since=START),
    )
    hook = Hook()
    await a_webhook(hook).deliver(
        Notice(reason=Reason.OPENED, incident=incident, at=START, mention=True, labels={"team": "ml-platform"})
    )
    assert hook.receiver.taken == [EXAMPLES[Reason.OPENED]]


async def test_the_example_of_a_test_is_what_is_sent() -> None:
    """It has no incident."""
    hook = Hook()
    await a_webhook(hook).test(EXAMPLES["test"]["summary"])
    assert hook.receiver.taken == [EXAMPLES["test"]]


async def test_the_verification_that_is_shown_works() -> None:
    """It takes what we send, and refuses another body, another secret, another time, and what is too old or from the future."""
    (code,) = re.findall(r"```python\n(.*?)```", TEXT, re.DOTALL)
    names: dict[str, Any] = {}
    exec(code, names)  # noqa: S102 - what our own documentation says
    hook = Hook()
    await a_webhook(hook).deliver(notices.opened())
    (body,), (head,) = hook.receiver.bodies, hook.receiver.heads
    timestamp, signature = head["x-trace-monitor-timestamp"], head["x-trace-monitor-signature"]
    now = float(timestamp)

    def is_genuine(*given: Any, at: float = 0.0) -> bool:
        names["time"] = type("Clock", (), {"time": staticmethod(lambda: now + at)})
        return bool(names["is_genuine"](*given))

    assert is_genuine("shared", timestamp, signature, body)
    assert is_genuine("shared", timestamp, signature, body, at=299)
    assert not is_genuine("shared", timestamp, signature, body + b" ")
    assert not is_genuine("other", timestamp, signature, body)
    assert not is_genuine("shared", str(int(now) + 1), signature, body)
    assert not is_genuine("shared", timestamp, "", body)
    assert not is_genuine("shared", timestamp, "sha256=é", body)
    assert not is_genuine("shared", timestamp, signature, body, at=301)
    assert not is_genuine("shared", timestamp, signature, body, at=-301)
