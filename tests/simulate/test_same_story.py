"""What a simulation prints is what the daemon would send, at the time at which it would send it."""

import asyncio
from dataclasses import dataclass

import pytest

from monitor.core.events import NoticeHandled
from monitor.core.incident import Incident
from monitor.sandbox import FAULTS, Variant
from monitor.simulate.effects import OUTAGES
from monitor.simulate.simulate import simulate
from monitor.simulate.simulation import Outcome
from monitor.simulate.slack import ShownIn
from monitor.simulate.timeline import parse_timeline
from tests.fakes.clock import START
from tests.scenarios.house import HOUR, MENTION, MINUTE, House, house

WARM_UP = 15 * MINUTE
TOLERANCE = 2.0


@dataclass(frozen=True)
class Trouble:
    """Something that is broken for a while; seconds from the start."""

    fault: str
    begins: float
    ends: float


EXPORTER_OFF = [Trouble("exporter_disabled", 2 * MINUTE, 10 * MINUTE)]
GATEWAY_DOWN_FOR_LONG = [Trouble("gateway_unreachable", 3 * MINUTE, 5 * HOUR)]
WRONG_PROTOCOL = [Trouble("config_drift_protocol", 2 * MINUTE, 10 * MINUTE)]
SLACK_DOWN_MEANWHILE = [
    Trouble("slack_unreachable", MINUTE, 12 * MINUTE),
    Trouble("gateway_unreachable", 4 * MINUTE, 8 * MINUTE),
    Trouble("exporter_disabled", 10 * MINUTE, 30 * MINUTE),
]


@dataclass(frozen=True)
class Notified:
    """One text as it came into Slack."""

    at: float
    reason: str
    first_line: str
    mention: bool


async def reported_by_the_daemon(troubles: list[Trouble], until: float) -> list[Notified]:
    """The whole daemon against the whole sandbox, on the tests' own clock."""
    async with house() as home:
        changes = sorted(
            [(each.begins, each.fault, True) for each in troubles]
            + [(each.ends, each.fault, False) for each in troubles]
        )
        begins = START + WARM_UP
        for at, fault, on in changes:
            await home.advance(begins + at - home.clock.now())
            await (home.break_(fault) if on else home.fix(fault))
        await home.advance(begins + until - home.clock.now())
        return read(home)


def read(home: House) -> list[Notified]:
    """What stands in Slack, with the reasons that the dispatcher gave."""
    reasons = [
        event.reason.value
        for event in home.events
        if isinstance(event, NoticeHandled) and event.outcome == "sent" and event.reason != "edited"
    ]
    texts = [(message.versions or [message.text])[0] for message in home.messages]
    assert len(reasons) == len(texts)
    return [
        Notified(message.at, reason, text.partition("\n")[0], MENTION in text)
        for message, reason, text in zip(home.messages, reasons, texts, strict=True)
    ]


def simulated(troubles: list[Trouble], until: float) -> list[Notified]:
    """The same story as a timeline."""
    lines = "\n".join(
        f"  - {{from: {each.begins:.0f}s, to: {each.ends:.0f}s, {_words(each.fault)}}}" for each in troubles
    )
    text = f"""
start: 2027-01-15T08:15:00Z
warm_up: {WARM_UP:.0f}s
until: {until:.0f}s
targets: [demo]
settings: {{alerting: {{slack: {{mention: "{MENTION}"}}}}}}
timeline:
{lines}
"""
    report = simulate(parse_timeline(text, "story.yaml"))
    return [
        Notified(attempt.until, attempt.reason.value, shown.text.partition("\n")[0], attempt.mention)
        for attempt in report.simulation.attempts
        if attempt.outcome is Outcome.SENT
        for shown in attempt.shown
        if shown.place is not ShownIn.EDIT
    ]


def _words(fault: str) -> str:
    return f"slack: {fault.removeprefix('slack_')}" if fault.startswith("slack_") else f"outage: {fault}"


@pytest.mark.timeout(300)  # eleven hours of a whole daemon
@pytest.mark.parametrize(
    ("troubles", "until", "reasons"),
    [
        (EXPORTER_OFF, 25 * MINUTE, ["opened", "resolved"]),
        (WRONG_PROTOCOL, 25 * MINUTE, ["opened", "resolved"]),
        pytest.param(
            GATEWAY_DOWN_FOR_LONG,
            5.5 * HOUR,
            ["opened", "escalated", "reminder", "resolved"],
            marks=pytest.mark.thorough,
        ),
        pytest.param(SLACK_DOWN_MEANWHILE, HOUR, ["opened", "resolved", "resolved"], marks=pytest.mark.thorough),
    ],
    ids=["exporter off", "wrong protocol", "gateway down for five hours", "Slack down meanwhile"],
)
async def test_the_same_story_is_reported_by_the_daemon_and_by_a_simulation(
    troubles: list[Trouble], until: float, reasons: list[str]
) -> None:
    """Moment by moment: the same reasons, the same first lines, the same mentions."""
    real = await reported_by_the_daemon(troubles, until)
    notified = await asyncio.to_thread(simulated, troubles, until)  # a loop of its own
    assert [each.reason for each in real] == reasons
    assert [(each.reason, each.first_line, each.mention) for each in notified] == [
        (each.reason, each.first_line, each.mention) for each in real
    ]
    assert [each.at for each in notified] == pytest.approx([each.at for each in real], abs=TOLERANCE)


QUICK = ("config_drift", "config_drift_blank", "config_drift_filter_model", "config_drift_rotation", "read_api_pages")
"""A few of each kind: a drift that stops the export or not, one that the monitor's own refused key explains, and nothing."""

COSTLY = ("_endless", "_bomb")
"""To read on and on costs minutes of CPU; what they do is in the table what their neighbours do."""

LONG_ENOUGH = 17 * MINUTE
ONE_OF_FOUR = 95 * MINUTE


@pytest.mark.timeout(300)
@pytest.mark.parametrize(
    "outage",
    [
        each if each in QUICK else pytest.param(each, marks=pytest.mark.thorough)
        for each in OUTAGES
        if not each.endswith(COSTLY)
    ],
)
async def test_every_outage_is_called_what_the_daemon_calls_it(outage: str) -> None:
    """By the same name and as bad, a quarter of an hour after it began."""
    until = ONE_OF_FOUR if outage == "trace_missing_some" else LONG_ENOUGH
    # Where the key can be read, a wrong environment is a drift.
    variant = Variant(header_values="masked") if outage == "wrong_environment" else Variant()
    async with house(variant, content=FAULTS[outage].needs_content) as home:
        await home.advance(WARM_UP)
        await home.break_(outage)
        await home.advance(until)
        real = _called(home.incident)
    text = f"until: {until:.0f}s\ntimeline: [{{at: 0s, outage: {outage}}}]\n"
    (state,) = (await asyncio.to_thread(simulate, parse_timeline(text, "story.yaml"))).simulation.states.values()
    assert _called(state.incident) == real


def _called(incident: Incident | None) -> tuple[str, str] | None:
    return None if incident is None else (str(incident.diagnosis.fault), incident.diagnosis.severity.word)
