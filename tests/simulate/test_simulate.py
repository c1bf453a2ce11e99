"""What happens when a timeline is simulated: the daemon's own behaviour, seen from Slack."""

from pathlib import Path

import pytest

from monitor.core.incident import Reason
from monitor.core.model import Fault, Severity
from monitor.settings import ConfigError, parse
from monitor.simulate.simulate import MENTION, Compose, simulate
from monitor.simulate.simulation import Attempt, LogEntry, Outcome, Report
from monitor.simulate.slack import ShownIn
from monitor.simulate.timeline import parse_timeline
from tests.sampling import sample

CONFIGURATION = """\
targets:
  eu: &target
    control_plane: {url: https://acme.truefoundry.cloud, token_file: /no/such/file}
    gateway: {model: openai-main/gpt-4o-mini}
    traceloop: {api_key_file: /no/such/file, environment: prd}
  us:
    <<: *target
    alerting: {channel: C0US, mention: "<@U0US>"}
alerting:
  fail_after: 3
  slack: {bot_token_file: /no/such/file, channel: C0EU, mention: "<@U0EU>"}
  webhook: {url_file: /no/such/file}
http: {ca_file: /no/such/file}
"""


def composing(text: str) -> Compose:
    """The operator's configuration, on a machine that has none of its files."""
    return lambda over: parse(text, {}, Path("/nowhere"), over=over, name="config.yaml", open_files=False)


def notified(*entries: str, configuration: str | None = None, **top: str) -> Report:
    """Simulate a timeline of these entries, and of these other lines."""
    lines = [f"{key}: {value}" for key, value in {"warm_up": "6m", **top}.items()]
    text = "\n".join([*lines, "timeline:", *(f"  - {entry}" for entry in entries)])
    compose = None if configuration is None else composing(configuration)
    return simulate(parse_timeline(text, "story.yaml"), compose)


def after(report: Report, attempt: Attempt) -> float:
    """Seconds from the start."""
    return attempt.until - report.start


def reasons(report: Report) -> list[tuple[str, str]]:
    """What new texts there were, as words."""
    return [(each.reason.value, each.fault.value) for each in report.simulation.attempts if each.posted]


def logged(report: Report) -> list[str]:
    """What happened besides."""
    return [entry.words for entry in report.simulation.entries if isinstance(entry, LogEntry)]


def test_health_notifies_nobody() -> None:
    """An hour in which nothing breaks."""
    report = notified(until="1h")
    assert report.simulation.entries == []
    assert (
        report.simulation.summary().incidents,
        report.simulation.summary().messages,
        report.simulation.summary().mentions,
    ) == (
        0,
        0,
        0,
    )


def test_an_outage_is_seen_by_the_looks_of_the_daemon() -> None:
    """Opened within the promised time with a mention, resolved in its thread without one."""
    report = notified("{from: 2m, to: 20m, outage: exporter_disabled}")
    assert reasons(report) == [("opened", "exporter_disabled"), ("resolved", "exporter_disabled")]
    opened, resolved = (attempt for attempt in report.simulation.attempts if attempt.posted)
    assert 120 < after(report, opened) <= 120 + 75
    assert (opened.called, resolved.called, resolved.shown[1].broadcast) == (True, False, True)
    assert [shown.place for shown in resolved.shown] == [ShownIn.EDIT, ShownIn.THREAD]
    assert opened.shown[0].text.startswith("🚨 critical · prod · Trace export is switched off (exporter_disabled)\n")
    assert opened.shown[0].text.endswith(f"\n{MENTION}")
    assert resolved.shown[1].thread == opened.shown[0].ts
    assert (
        report.simulation.summary().incidents,
        report.simulation.summary().messages,
        report.simulation.summary().mentions,
    ) == (
        1,
        2,
        1,
    )


def test_one_look_that_fails_is_no_failure_and_two_are() -> None:
    """What is scripted goes through the debouncing like any look."""
    assert reasons(notified("{at: 2m, gateway: fail, looks: 1}")) == []
    assert reasons(notified("{at: 2m, gateway: fail, looks: 2}")) == [
        ("opened", "gateway_unreachable"),
        ("resolved", "gateway_unreachable"),
    ]


def test_thresholds_can_be_tried() -> None:
    """Settings of the timeline outrank the built-in ones."""
    one = notified("{at: 2m, gateway: fail, looks: 1}", settings="{alerting: {fail_after: 1}}")
    assert reasons(one)[0] == ("opened", "gateway_unreachable")


@pytest.mark.parametrize(
    ("entry", "fault"),
    sample(
        [
            ("{from: 1m, to: 6m, config: fail config_drift}", Fault.CONFIG_DRIFT),
            ("{from: 1m, to: 12m, canary: fail provider_failing}", Fault.PROVIDER_FAILING),
            ("{from: 1m, to: 40m, canary: fail rate_limited}", Fault.RATE_LIMITED),
            ("{from: 1m, to: 40m, control: fail}", Fault.INGEST_FAILING),
            ("{from: 1m, to: 40m, control: fail key_rejected}", Fault.KEY_REJECTED),
            ("{from: 1m, to: 20m, config: unknown}", Fault.BLIND),
            ("{from: 1m, to: 20m, arrival: missing}", Fault.EXPORT_FAILING),
            ("{from: 1m, to: 20m, arrival: late}", Fault.TRACE_LATE),
            ("{from: 1m, to: 20m, arrival: incomplete}", Fault.TRACE_INCOMPLETE),
        ],
        every=2,
    ),
    ids=lambda given: given if isinstance(given, str) else "",
)
def test_each_check_can_be_given_what_it_finds(entry: str, fault: Fault) -> None:
    """The incident that it opens, and its end."""
    report = notified(entry)
    assert reasons(report)[-1] == ("resolved", fault.value)
    assert report.simulation.summary().open == ()


def test_what_slack_did_not_accept_is_delivered_when_it_does() -> None:
    """Attempts that fail in the same way are one entry, with how many there were."""
    report = notified(
        "{from: 1m, to: 20m, slack: unreachable}", "{from: 2m, to: 15m, outage: gateway_unreachable}", until="40m"
    )
    opening, ending, resolved = report.simulation.attempts
    assert (opening.reason, opening.outcome, opening.shown) == (Reason.OPENED, Outcome.FAILED, ())
    assert opening.attempts > 40
    assert opening.detail == "connections to Slack are refused"
    assert (ending.reason, ending.outcome) == (Reason.RESOLVED, Outcome.FAILED)
    assert (resolved.reason, resolved.outcome, resolved.called) == (Reason.RESOLVED, Outcome.SENT, False)
    assert 1200 <= after(report, resolved) <= 1220


def test_an_answer_that_is_lost_doubles_the_message() -> None:
    """It stands in Slack, and nobody knows: the attempt is shown with what it posted."""
    report = notified("{from: 1m, to: 2m20s, slack: answer_lost}", "{from: 2m, outage: exporter_disabled}", until="4m")
    texts = [attempt for attempt in report.simulation.attempts if attempt.posted]
    assert [attempt.outcome for attempt in texts] == [Outcome.UNKNOWN, Outcome.SENT]
    assert texts[0].shown[0].text == texts[1].shown[0].text


@pytest.mark.parametrize("ending", sample(["killed", "stopped"], every=2))
def test_a_restart_delivers_nothing_twice(ending: str) -> None:
    """The next daemon knows what was reported."""
    report = notified(
        "{from: 2m, to: 20m, outage: exporter_disabled}", f"{{at: 10m, restart: {ending}, down: 1m}}", until="40m"
    )
    assert reasons(report) == [("opened", "exporter_disabled"), ("resolved", "exporter_disabled")]
    assert logged(report)[1:3] == [
        f"the daemon is {ending}, and started again 1m later",
        "the daemon is started again",
    ]


def test_killed_after_sending_it_delivers_once_more() -> None:
    """At most one duplicate per death between sending and writing down, and never a silence."""
    report = notified(
        "{at: 1m, restart: killed_after_sending, down: 30s}",
        "{from: 2m, to: 10m, outage: exporter_disabled}",
        until="30m",
    )
    assert [reason for reason, _ in reasons(report)] == ["opened", "opened", "resolved"]
    assert "the daemon is killed: what it has just said is not written down" in logged(report)


def test_what_a_silence_covers_is_not_reported_but_noted() -> None:
    """From opening to resolve; an incident that outlasts the silence is reported as opened when it ends."""
    covered = notified(
        "{from: 1m, to: 30m, silence: {fault: gateway_unreachable, author: ada}}",
        "{from: 2m, to: 10m, outage: gateway_unreachable}",
        until="1h",
    )
    assert reasons(covered) == []
    assert covered.simulation.summary().incidents == 1
    assert "prod: gateway_unreachable opened, silenced until 2027-01-15 08:30 UTC" in logged(covered)
    outlasting = notified(
        "{from: 1m, to: 9m, silence: {}}", "{from: 2m, to: 20m, outage: gateway_unreachable}", until="1h"
    )
    opened = outlasting.simulation.attempts[0]
    assert (opened.reason, opened.called) == (Reason.OPENED, True)
    assert after(outlasting, opened) == pytest.approx(540, abs=1)


@pytest.mark.thorough
def test_an_acknowledgement_ends_escalation() -> None:
    """And is shown; there is nothing to take where nothing is open."""
    entries = ("{at: 1m, ack: bob}", "{at: 2m, outage: exporter_disabled}")
    alone = notified(*entries, until="50m")
    taken = notified(*entries, "{at: 10m, ack: ada}", until="50m")
    assert [reason for reason, _ in reasons(alone)] == ["opened", "escalated"]
    assert [reason for reason, _ in reasons(taken)] == ["opened"]
    assert any("acknowledged by ada" in attempt.shown[0].text for attempt in taken.simulation.attempts)
    assert "nothing is open that could be acknowledged" in logged(taken)
    assert taken.simulation.summary().open == ("prod exporter_disabled",)


def test_other_settings_are_loaded() -> None:
    """From then on they count."""
    report = notified(
        "{at: 2m, gateway: fail, looks: 1}",
        "{at: 10m, reload: {alerting: {fail_after: 1}}}",
        "{at: 12m, gateway: fail, looks: 1}",
    )
    assert reasons(report)[0] == ("opened", "gateway_unreachable")
    assert after(report, report.simulation.attempts[0]) > 720


def test_a_removed_target_is_reported_as_no_longer_monitored() -> None:
    """Its incident is closed."""
    report = notified("{at: 2m, outage: exporter_disabled}", "{at: 10m, remove: us}", targets="[eu, us]", until="20m")
    resolved = [each for each in report.simulation.attempts if each.reason is Reason.RESOLVED]
    assert [each.target for each in resolved] == ["us"]
    assert "no longer monitored" in resolved[0].shown[-1].text
    assert report.simulation.summary().open == ("eu exporter_disabled",)


def test_targets_that_break_together_call_once_a_minute() -> None:
    """The second message is posted at once, without."""
    report = notified("{at: 2m, gateway: fail}", targets="[eu, us]", until="10m")
    first, second = (each for each in report.simulation.attempts if each.reason is Reason.OPENED)
    assert (first.called, second.called) == (True, False)


def test_a_target_of_many_can_break_alone() -> None:
    """By name or by pattern."""
    report = notified(
        "{at: 2m, outage: exporter_disabled, target: e*}",
        "{at: 3m, gateway: fail, target: us}",
        targets="[eu, us]",
        until="8m",
    )
    opened = {(each.target, each.fault) for each in report.simulation.attempts if each.reason is Reason.OPENED}
    assert opened == {("eu", Fault.EXPORTER_DISABLED), ("us", Fault.GATEWAY_UNREACHABLE)}


@pytest.mark.thorough
def test_a_story_reads_the_same_each_time() -> None:
    """To the last character."""
    entry = "{from: 2m, to: 10m, outage: exporter_disabled}"
    assert notified(entry).simulation.entries == notified(entry).simulation.entries


# --- by the operator's configuration


def test_the_operators_thresholds_and_channels_count() -> None:
    """Without one of the files that the configuration names."""
    report = notified("{at: 2m, gateway: fail, looks: 2}", "{at: 10m, gateway: fail}", configuration=CONFIGURATION)
    opened = [each for each in report.simulation.attempts if each.reason is Reason.OPENED]
    assert all(after(report, each) > 600 for each in opened)
    shown = {str(each.target): each.shown[0] for each in opened}
    assert {name: each.channel for name, each in shown.items()} == {"eu": "C0EU", "us": "C0US"}
    assert shown["eu"].text.endswith("\n<@U0EU>")
    assert shown["us"].text.endswith("\n<@U0US>")


def test_a_timeline_outranks_the_configuration() -> None:
    """So that one thing can be tried differently."""
    report = notified(
        "{at: 2m, gateway: fail, looks: 2}",
        configuration=CONFIGURATION,
        targets="[eu]",
        settings="{alerting: {fail_after: 2, severity: {gateway_unreachable: warning}}}",
    )
    opened = report.simulation.attempts[0]
    assert (opened.target, opened.severity, opened.called) == ("eu", Severity.WARNING, False)


@pytest.mark.parametrize(
    "settings",
    [
        "{alerting: {slack: {channel: C0OTHER}}}",
        "{defaults: {alerting: {channel: C0OTHER}}}",
        "{targets: {prod: {alerting: {channel: C0OTHER}}}}",
        '{alerting: {slack: {channel: C0OTHER, api_url: "https://slack.example/api/"}, alertmanager: {urls: ["https://am.example"]}}}',
    ],
)
def test_another_channel_in_the_timeline_is_reported_as_well(settings: str) -> None:
    """Whatever place is set, the simulation's own Slack stands for it."""
    report = notified("{at: 2m, gateway: fail}", settings=settings, until="5m")
    (opened,) = report.simulation.attempts
    assert (opened.reason, opened.outcome, opened.shown[0].channel) == (Reason.OPENED, Outcome.SENT, "C0OTHER")


def test_another_channel_after_a_reload_is_reported_as_well() -> None:
    """It was not known at the start."""
    report = notified(
        "{at: 1m, reload: {alerting: {slack: {channel: C0OTHER}}}}", "{at: 2m, gateway: fail}", until="5m"
    )
    assert [each.shown[0].channel for each in report.simulation.attempts] == ["C0OTHER"]


def test_whoever_is_notified_by_a_webhook_reads_single_messages() -> None:
    """No threads, no edits."""
    hook = "slack: {webhook_url_file: /no/such/file}"
    configuration = CONFIGURATION.partition("alerting:\n  fail")[0] + f"alerting: {{{hook}}}\n"
    report = notified("{from: 2m, to: 9m, gateway: fail}", configuration=configuration, targets="[eu]")
    texts = [shown.place for each in report.simulation.attempts for shown in each.shown]
    assert texts == [ShownIn.ROOT, ShownIn.ROOT]


def test_without_a_control_plane_nobody_reads_the_configuration() -> None:
    """Then the traces alone show that the exporter is off."""
    lines = [line for line in CONFIGURATION.splitlines() if "control_plane" not in line]
    gateway = "    gateway: {url: https://gateway.example.com, token_file: /no/such/file, model: some/model}"
    configuration = "\n".join(gateway if "gateway: {model" in line else line for line in lines)
    report = notified("{at: 2m, outage: exporter_disabled}", configuration=configuration, targets="[eu]", until="30m")
    assert reasons(report) == [("opened", "trace_late"), ("changed", "trace_missing")]


@pytest.mark.parametrize(
    ("entries", "top", "what"),
    [
        (["{at: 1m, outage: blind, target: prod}"], {}, "story.yaml:3: target: concerns none of the targets: eu, us"),
        ([], {"targets": "[asia]"}, "timeline: targets: the configuration has no `asia`; it has: eu, us"),
        ([], {"settings": "{alerting: {fail_afer: 1}}"}, "story.yaml:2: alerting.fail_afer: unknown key; did you mean"),
        (["{at: 1m, reload: {alerting: {fail_after: 0}}}"], {}, "story.yaml:3: alerting.fail_after: is too small"),
    ],
)
def test_what_does_not_fit_the_configuration_is_refused(entries: list[str], top: dict[str, str], what: str) -> None:
    """Before anything happens, with file and line."""
    with pytest.raises(ConfigError) as refused:
        notified(*entries, configuration=CONFIGURATION, **top)
    assert str(refused.value).startswith(what)


def test_a_target_of_phoenix_is_simulated_under_its_name() -> None:
    """By the operator's own configuration, without its address and its key."""
    configuration = """\
targets:
  prod:
    gateway: {url: https://gateway.example.com, token: t, model: m}
    phoenix: {url: https://phoenix.example.com, api_key: phoenix-secret}
"""
    report = notified("{from: 2m, to: 40m, outage: ingest_failing}", configuration=configuration)
    said = "\n".join(str(each.shown) for each in report.simulation.attempts)
    assert reasons(report)[0] == ("opened", "ingest_failing")
    assert "Phoenix does not accept traces" in said
    assert "Traceloop" not in said
