"""Every text field of every answer, with what cannot be seen in it, all the way to every sink."""

import io
import json
import logging
import unicodedata
from collections.abc import Callable, Iterator
from dataclasses import asdict, replace

import pytest

from monitor.cli.table import render
from monitor.core.events import Event
from monitor.redaction import all_visible
from monitor.store.codec import decode_target, encode_input, encode_target
from monitor.telemetry.logging import EventLog, configure
from monitor.web.page import status_page
from monitor.web.payloads import as_json
from tests.fuzz.answers import Received, changing
from tests.fuzz.mutations import as_body, get_at, paths_of, set_at
from tests.fuzz.routes import ROUTES
from tests.sampling import sample
from tests.scenarios.house import DEMO, MINUTE, House, house

UNSEEN = "\ud83d\x1b]0;x\x07\x9b31m\x00\u202e\u200b\ufeff\u2066\U000e0041\u3164\u00a0e\u0435"
_OURS = "\u2060\ufe0f"  # the word joiner breaks links in Slack, the selector belongs to our own signs


def in_every_text() -> Callable[[Received], Received]:
    """Changes another text field of each answer, one after the other."""
    turn = 0

    def change(received: Received) -> Received:
        nonlocal turn
        try:
            document = json.loads(received.unpacked())
        except ValueError:
            return received
        texts = [path for path in paths_of(document) if isinstance(get_at(document, path), str)]
        if not texts:
            return received
        turn += 1
        path = texts[turn % len(texts)]
        headers = {name: value for name, value in received.headers.items() if name != "content-encoding"}
        return replace(
            received, headers=headers, body=as_body(set_at(document, path, f"{get_at(document, path)}{UNSEEN}"))
        )

    return change


def sinks(home: House, logged: io.StringIO, event: Event) -> Iterator[tuple[str, str]]:
    """Everything that somebody or something reads, as it is now. A sink that cannot write the text raises."""
    report, now = home.daemon.report(), home.clock.now()
    target_store = home.daemon.target_store(DEMO)
    assert target_store is not None
    document = encode_target(target_store.state)
    assert encode_target(decode_target(document)) == document
    yield "database", _unescaped(document)
    yield "history", _unescaped(encode_input(list(home.store._history.values())[-1].given))
    yield "event", json.dumps(asdict(event), ensure_ascii=False)
    yield "page", status_page(report, home.daemon.state, troubles=(), version="1", now=now)
    yield "api", _unescaped(bytes(as_json(report).body).decode())
    yield "terminal", render(all_visible(report), colour=False)
    yield "json", json.dumps(all_visible(report), ensure_ascii=False)
    yield "metrics", home.metrics.render("", home.view())[0].decode()
    yield "log", logged.getvalue()
    yield "slack", "".join(message.text + json.dumps(message.blocks, ensure_ascii=False) for message in home.messages)
    logged.seek(0)
    logged.truncate()


def _unescaped(document: str) -> str:
    """What a reader of the JSON gets to see."""
    return json.dumps(json.loads(document), ensure_ascii=False)


def unseen_in(text: str) -> set[str]:
    """What eyes cannot see, by Unicode's own categories; a line end is of our making."""
    text.encode()
    return {
        each
        for each in text
        if each not in f"\n{_OURS}" and unicodedata.category(each) in {"Cc", "Cf", "Cs", "Co", "Zl", "Zp"}
    }


@pytest.mark.parametrize(
    ("route", "style"), sample([*((route, "text") for route in ROUTES), ("config", "json")], every=len(ROUTES) + 1)
)
async def test_no_text_of_any_answer_reaches_a_sink_unseen(route: str, style: str) -> None:
    """Terminal, JSON, page, Slack, log, metrics, database: nothing raises, nothing invisible stands there, old state included."""
    logged = io.StringIO()
    root = logging.getLogger()
    level = root.level
    handler = configure(level="debug", style="json" if style == "json" else "text", redact=str, stream=logged)
    found: set[tuple[str, str]] = set()
    seen: list[Event] = []

    def look(event: Event) -> None:
        seen.append(event)
        try:
            found.update((sink, each) for sink, text in sinks(home, logged, event) for each in unseen_in(text))
        except (ValueError, TypeError) as error:
            found.add((type(event).__name__, str(error)))

    try:
        async with house(one_root=False) as home:
            await home.settle_in()
            home.daemon.listen(EventLog().listen)
            home.daemon.listen(look)
            home.put_between(ROUTES[route].host, changing(ROUTES[route].concerns, in_every_text()))
            await home.advance((ROUTES[route].every + 20) * MINUTE)
    finally:
        root.removeHandler(handler)
        root.setLevel(level)
    assert found == set()
    assert seen
