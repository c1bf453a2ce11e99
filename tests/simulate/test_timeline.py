"""A timeline as it is written: what it means, and how it is refused."""

import pytest

from monitor.core.model import CheckName, Fault, UnknownReason, Verdict
from monitor.sandbox import FAULTS
from monitor.settings import ConfigError
from monitor.simulate.effects import EFFECTS, OUTAGES, effect_of, parse_finding
from monitor.simulate.slack import TROUBLES
from monitor.simulate.timeline import START, Step, Timeline, parse_timeline, read_timeline
from tests.settings.samples import NOWHERE


def timeline(*entries: str, **top: str) -> Timeline:
    """A timeline of these entries, and of these other lines."""
    lines = [f"{key}: {value}" for key, value in top.items()]
    return parse_timeline("\n".join([*lines, "timeline:", *(f"  - {entry}" for entry in entries)]), "story.yaml")


def complaints(text: str) -> list[str]:
    """The lines with which a text is refused."""
    with pytest.raises(ConfigError) as refused:
        parse_timeline(text, "story.yaml")
    return str(refused.value).splitlines()


def complaint(entry: str) -> str:
    """The one line with which an entry is refused."""
    (line,) = complaints(f"timeline:\n  - {entry}\n")
    return line


def only(entry: str) -> Step:
    """The one thing that an entry lets happen."""
    (step,) = timeline(entry).steps
    return step


# --- what it means


def test_a_span_begins_and_ends() -> None:
    """By its end or by its length."""
    for end in ("to: 20m", "for: 18m"):
        begin, over = timeline(f"{{from: 2m, {end}, outage: exporter_disabled}}").steps
        assert (begin.at, begin.entry.verb, begin.what, begin.ends) == (120, "outage", "exporter_disabled", False)
        assert (over.at, over.entry.verb, over.what, over.ends) == (1200, "outage", "exporter_disabled", True)


def test_without_an_end_it_lasts() -> None:
    """`at` and `from` mean the same then."""
    assert only("{at: 2m, outage: exporter_disabled}").what == "exporter_disabled"
    late = only("{from: 2m, outage: trace_late, delay: 6m}")
    assert (late.what, late.entry.delay) == ("trace_late", 360)


def test_a_time_of_day_is_the_next_one_after_the_start() -> None:
    """The start is 08:00 UTC."""
    assert only("{at: 08:14, ack: ada}").at == 14 * 60
    assert only("{at: 8:14:30, ack: ada}").at == 14 * 60 + 30
    assert only("{at: 07:00, ack: ada}").at == 23 * 3600


def test_steps_are_in_the_order_of_their_moments() -> None:
    """Whatever the order of the entries."""
    steps = timeline("{at: 9m, ack: ada}", "{at: 1m, ack: bob}").steps
    assert [step.what for step in steps] == ["bob", "ada"]


def test_an_entry_can_be_repeated() -> None:
    """Each repetition is the whole span again."""
    steps = timeline("{from: 1m, for: 30s, outage: gateway_unreachable, repeat: {every: 10m, times: 3}}").steps
    assert [step.at for step in steps] == [60, 90, 660, 690, 1260, 1290]


def test_what_a_check_finds() -> None:
    """A verdict, and of a failure the fault, of an unknown look the reason."""
    step = only("{at: 1m, canary: fail gateway_refused, looks: 2}")
    result = parse_finding(CheckName.CANARY, step.what)
    assert result is not None
    assert (step.entry.verb, step.entry.looks, result.fault) == ("canary", 2, Fault.GATEWAY_REFUSED)
    unseen = parse_finding(CheckName.CONFIG, only("{at: 1m, config: unknown refused}").what)
    assert unseen is not None
    assert (unseen.verdict, unseen.unknown_reason) == (Verdict.UNKNOWN, UnknownReason.REFUSED)
    assert parse_finding(CheckName.GATEWAY, only("{at: 1m, gateway: pass}").what) is None
    assert timeline("{from: 1m, to: 2m, control: fail}").steps[1].ends


def test_what_becomes_of_traces() -> None:
    """And that they arrive again."""
    lost, back = timeline("{from: 1m, to: 2m, arrival: missing}").steps
    assert (lost.what, lost.ends, back.ends, back.words) == ("missing", False, True, "arrival: arrived")


def test_everything_else_that_happens() -> None:
    """Slack's troubles, restarts, silences, acknowledgements, other settings, a target that goes."""
    assert only("{at: 1m, slack: invalid_auth}").what == "invalid_auth"
    killed = only("{at: 1m, restart: killed_after_sending}")
    assert (killed.what, killed.entry.down) == ("killed_after_sending", 10)
    assert only("{at: 1m, restart: stopped, down: 1h}").entry.down == 3600
    silence = only("{from: 1m, to: 11m, target: eu, silence: {fault: blind, comment: known, author: ada}}")
    assert (silence.target, silence.entry.silence.fault, silence.length) == ("eu", Fault.BLIND, 600)
    assert (silence.entry.silence.comment, silence.entry.silence.author) == ("known", "ada")
    twice = timeline("{from: 1m, to: 2m, silence: {fault: blind}}", "{from: 3m, to: 4m, silence: {fault: trace_late}}")
    assert [step.entry.silence.fault for step in twice.steps] == ["blind", "trace_late"]
    assert only("{from: 1m, for: 10m, silence: {}}").entry.silence.fault == ""
    removal = only("{at: 1m, remove: eu}")
    assert (removal.entry.verb, removal.target) == ("remove", "eu")
    assert only("{at: 1m, reload: {alerting: {fail_after: 3}}}").settings is not None


def test_whatever_the_sandbox_can_break_has_an_effect_here() -> None:
    """So that an outage of a timeline is never a name without a meaning; and every effect belongs to an outage."""
    assert set(OUTAGES) | {f"slack_{trouble}" for trouble in TROUBLES} == set(FAULTS)
    effects = [effect_of(outage) for outage in OUTAGES]
    assert all(effect in effects for effect in EFFECTS.values())


def test_it_ends_half_an_hour_after_the_last_moment() -> None:
    """Unless it says when."""
    assert timeline("{at: 1h, ack: ada}").until == 5400
    assert timeline("{at: 1h, ack: ada}", until="2h").until == 7200


def test_where_and_when_it_happens() -> None:
    """One target, at a fixed moment, with a quarter of an hour of health before."""
    plain = timeline("{at: 1h, ack: ada}")
    assert (plain.start, plain.warm_up, plain.targets) == (START, 900, ())
    other = timeline("{at: 1h, ack: ada}", start="2026-06-01T10:00:00+02:00", warm_up="0s", targets="[eu, us]")
    assert (other.start, other.warm_up, other.targets) == (1_780_300_800, 0, ("eu", "us"))


# --- how it is refused


@pytest.mark.parametrize(
    ("entry", "what"),
    [
        ("{at: 1m, outages: x}", "timeline[0].outages: unknown key; did you mean `outage`?"),
        ("{at: 1m, outage: exporter_disable}", "is not something that can break; did you mean `exporter_disabled`?"),
        ("{at: 1m, slack: unreachabel}", "is not a trouble of Slack; did you mean `unreachable`?"),
        ("{at: 1m, gateway: fail exporter_disabled}", "is not a fault that `gateway` finds; allowed: gateway_unreach"),
        ("{at: 1m, gateway: failing}", "is not a verdict; did you mean `fail`?"),
        ("{at: 1m, gateway: unknown why}", "is not a reason not to know; allowed: unreachable, refused"),
        ("{at: 1m, gateway: pass it}", "says more than `pass`"),
        ("{at: 1m, arrival: lost}", "is not what may become of a trace; allowed: arrived, missing"),
        ("{at: 1m, restart: kill}", "is not a way to end; did you mean `killed`?"),
        ("{at: 1m}", "nothing happens in this entry; exactly one is needed of: outage"),
        ("{at: 1m, ack: ada, outage: blind}", "outage and ack are in one entry"),
        ("{ack: ada}", "when? exactly one of `at` and `from` is needed"),
        ("{at: 1m, from: 1m, outage: blind}", "when? exactly one of `at` and `from` is needed"),
        ("{from: 2m, to: 1m, outage: blind}", "timeline[0].to: ends before it begins"),
        ("{from: 2m, to: 3m, for: 1m, outage: blind}", "is given beside `to`"),
        ("{from: 2m, to: 3m, ack: ada}", "`ack` happens in a moment; give `at` alone"),
        ("{at: soon, ack: ada}", "is not a moment; allowed: 14m, 1h30m, or a time of day"),
        ("{at: [1m], ack: ada}", "a single value belongs here"),
        ("{at: 1m, gateway: fail, delay: 1m}", "does not go with `gateway`; allowed beside: outage"),
        ("{at: 1m, gateway: fail, looks: no}", "is not a number of times"),
        ("{at: 1m, slack: silent, target: eu}", "timeline[0].target: does not go with `slack`"),
        ("{at: 1m, outage: blind, target: EU!}", "is not the name of a target"),
        ("{at: 1m, silence: {}}", "a silence needs an end"),
        ("{from: 1m, to: 2m, silence: {faults: x}}", "unknown key; did you mean `fault`?"),
        ("{from: 1m, to: 2m, silence: all}", "a mapping belongs here"),
        ("{at: 1m, reload: {server: {port: 1}}}", "timeline[0].reload.server: unknown key; allowed here: alerting"),
        ("{from: 1m, to: 3m, outage: blind, repeat: {every: 1m, times: 2}}", "begins again before it has ended"),
        ("{from: 1m, to: 3m, outage: blind, repeat: {every: 5m}}", "timeline[0].repeat.times: is missing"),
        ("{at: 8d, ack: ada}", "a timeline may last 7 days at most"),
        ("{at: 0s, ack: ada, repeat: {every: 1m, times: 1001}}", "lets more than 1000 things happen"),
        ("nothing", "a mapping belongs here"),
    ],
)
def test_what_makes_no_sense_is_refused(entry: str, what: str) -> None:
    """With its line, and with what is allowed."""
    line = complaint(entry)
    assert what in line
    assert line.startswith(("story.yaml:2: timeline", "story.yaml:1: timeline"))


def test_everything_that_is_wrong_is_said_at_once() -> None:
    """With the line of each."""
    text = "targts: [eu]\ntimeline:\n  - {at: 1m, ack: ada}\n  - {at: 1m, outage: nothing}\n  - {at: x, ack: bob}\n"
    lines = complaints(text)
    assert [line.partition(": ")[0] for line in lines] == ["story.yaml:1", "story.yaml:4", "story.yaml:5"]


@pytest.mark.parametrize(
    ("text", "what"),
    [
        ("", "story.yaml:1: timeline: is missing"),
        ("- a list", "a mapping belongs here"),
        ("start: yesterday\ntimeline: []", "start: is not a moment"),
        ("start: 0001-01-01T00:00:00Z\ntimeline: []", "start: is not a moment"),
        ("until: 1m\ntimeline:\n  - {at: 2m, ack: ada}", "until: ends before the last thing happens"),
        ("targets: [Prod]\ntimeline: []", "targets: has a name that no target can have"),
        (f"targets: [{', '.join(f't{n}' for n in range(11))}]\ntimeline: []", "targets: are 11 targets; allowed: 10"),
        ("targets: [a, b, c]\nuntil: 6d\ntimeline: []", "lasts too long for so many targets; allowed: 14 days"),
        ("warm_up: long\ntimeline: []", "warm_up: is not a duration"),
        ("settings: {targets: {prod: {gateway: {model: x}}}}\ntimeline: []", "settings.targets.prod.gateway: unknown"),
        ("settings: {defaults: {traceloop: {}}}\ntimeline: []", "settings.defaults.traceloop: unknown key"),
        ("timeline: [", "story.yaml:1: is not YAML"),
    ],
)
def test_a_whole_that_makes_no_sense_is_refused(text: str, what: str) -> None:
    """Each in one line."""
    (line,) = complaints(text)
    assert what in line


def test_a_file_that_is_not_there_is_one_line() -> None:
    """No traceback."""
    with pytest.raises(ConfigError, match=r"^/nowhere/story.yaml: cannot be read: No such file"):
        read_timeline(NOWHERE / "story.yaml", "story.yaml")
