"""What users of other monitors and alerters have asked for in public, and what those got wrong: each by the name of the behaviour.

What has a story of its own already is pointed at, with the thread that asked for it; the rest is here.
"""

import importlib
from collections.abc import Callable

import pytest

from monitor.core.incident import Reason
from monitor.core.model import CheckName, Fault
from tests.sampling import sample
from tests.scenarios.house import HOUR, MENTION, MINUTE, House, house

GITHUB = "https://github.com"

PROVEN_ELSEWHERE: dict[str, tuple[str, str]] = {
    # a dropped or rate-limited post is a lost alert
    "a post that Slack refuses for a while is posted later": (
        "prometheus/alertmanager/issues/2205",
        "scenarios.test_delivery.test_slack_is_down_during_the_outage",
    ),
    "Retry-After is obeyed, and nothing is retried blindly": (
        "prometheus/alertmanager/pull/2128",
        "daemon.test_delivery_failures.test_retry_after_is_obeyed",
    ),
    "what stopped before the next attempt is reported all the same": (
        "SigNoz/signoz/issues/12891",
        "scenarios.test_delivery.test_opened_and_closed_while_slack_was_down",
    ),
    "a notifier that is down for seconds loses nothing": (
        "louislam/uptime-kuma/issues/6046",
        "daemon.test_delivery_failures.test_back_off_doubles_up_to_fifteen_seconds",
    ),
    "the outage that cuts off the monitor too accuses nobody": (
        "louislam/uptime-kuma/issues/2400",
        "scenarios.test_delivery.test_our_own_network_swallows_everything",
    ),
    "many at once are paced, and call once": (
        "DependencyTrack/dependency-track/issues/1159",
        "scenarios.test_together.test_four_targets_break_together",
    ),
    # the channel is a wall of firing and resolved
    "the state is visible in the channel without opening the thread": (
        "getsentry/sentry/issues/99969",
        "scenarios.test_stories.test_fixed_and_waiting",
    ),
    "a deleted message is followed by a fresh one": (
        "vllm-project/vllm-dashboard/pull/140",
        "notifiers.slack.test_bot_failures.test_a_deleted_root_is_followed_by_a_fresh_post",
    ),
    # one root cause, one page
    "one cause and its consequences are one incident": (
        "TwiN/gatus/issues/1708",
        "scenarios.test_stories.test_cause_first",
    ),
    # a restart neither loses nor repeats
    "a restart repeats nothing": (
        "TwiN/gatus/issues/679",
        "scenarios.test_restart.test_an_outage_with_a_restart_every_now_and_then",
    ),
    "a resolve is not lost when a restart falls between": (
        "prometheus/alertmanager/issues/2570",
        "scenarios.test_restart.test_broken_and_fixed_while_nobody_looked",
    ),
    "a reload forgets nothing of what was being settled": (
        "prometheus/prometheus/issues/3376",
        "daemon.test_reload.test_what_was_remembered_of_a_changed_target_stays",
    ),
    "whenever the process dies, and whatever a notifier answers": (
        "grafana/grafana/issues/68162",
        "daemon.test_dispatcher_machine.TestMortal",
    ),
    # silent death
    "a heartbeat stops when nothing runs": (
        "kuberhealthy/kuberhealthy/issues/1533",
        "daemon.test_heartbeat.test_a_check_that_does_not_look_is_silence",
    ),
    "one check that hangs wedges no other": (
        "kuberhealthy/kuberhealthy/issues/1515",
        "test_runner.test_a_check_that_does_not_end_is_ended",
    ),
    # the canary cries wolf
    "a request that was not served leaves no trace to be missed": (
        "grafana/tempo/issues/5210",
        "scenarios.test_restraint.test_a_refused_canary_accuses_no_export",
    ),
    "a canary is written down before it is sent": (
        "grafana/loki/pull/7211",
        "checks.test_canary.test_a_canary_cannot_be_forgotten_once_it_is_sent",
    ),
    "the first span is not the whole trace": (
        "kubeshop/tracetest/pull/2059",
        "checks.test_arrival.test_a_trace_in_the_making_is_looked_at_until_it_rests",
    ),
    "a read that fails is no absence": (
        "grafana/tempo/issues/825",
        "checks.test_arrival_routes.test_failing_reads_never_make_a_trace_missing",
    ),
    # health checks that cost money
    "canaries keep to their budget": (
        "BerriAI/litellm/issues/13668",
        "scenarios.test_restraint.test_the_fast_cadence_spends_only_what_the_regular_one_does_not_need",
    ),
    # notify again
    "an outage that lasts is said again": (
        "louislam/uptime-kuma/issues/233",
        "scenarios.test_delivery.test_a_target_that_breaks_in_two_ways_is_one_thread_however_long_it_lasts",
    ),
    "looks come faster while something fails": (
        "prometheus/blackbox_exporter/issues/1058",
        "scenarios.test_time_to_mention.test_somebody_is_called_in_time",
    ),
    # reload, exit codes, silence
    "a bad configuration changes nothing": (
        "cloudprober/cloudprober/issues/644",
        "process.test_life.test_a_day_in_its_life",
    ),
    "unhealthy, misconfigured and unable to tell are three exit codes": (
        "grafana/tempo/blob/main/cmd/tempo-vulture/main.go",
        "cli.test_check.test_the_exit_code_is_that_of_the_worst",
    ),
    "an export that fails without a word is seen": (
        "vllm-project/vllm/issues/56696",
        "scenarios.test_time_to_mention.test_somebody_is_called_in_time",
    ),
    "sent is written down only after sending": (
        "cloudprober/cloudprober/blob/main/internal/alerting/alerting.go",
        "daemon.test_delivery.test_it_is_committed_before_it_is_sent_and_recorded_after",
    ),
    "a silence never swallows the end of what was reported": (
        "prometheus/alertmanager/issues/4064",
        "daemon.test_silenced_delivery.test_a_silence_that_begins_on_a_reported_incident_edits_what_was_reported",
    ),
    "memory does not grow with what has been": (
        "louislam/uptime-kuma/issues/7537",
        "core.test_incident_lifecycle.test_the_newest_incidents_are_remembered",
    ),
}
"""The behaviour; who asked for it, on GitHub; and the test that holds us to it."""


@pytest.mark.parametrize("behaviour", PROVEN_ELSEWHERE)
def test_what_has_a_story_elsewhere_is_there(behaviour: str) -> None:
    """A pointer to a test that was renamed would promise what nobody holds."""
    asked, place = PROVEN_ELSEWHERE[behaviour]
    module, _, name = place.rpartition(".")
    found: Callable[..., object] | type = getattr(importlib.import_module(f"tests.{module}"), name)
    assert callable(found)
    assert f"{GITHUB}/{asked}".count("/") >= 5


# --- ours -------------------------------------------------------------------------------------------------------


async def flap(home: House, times: int, every: float) -> None:
    """Let the gateway come and go."""
    for _ in range(times):
        await home.break_("gateway_unreachable")
        await home.until(lambda: home.incident, limit=30)
        await home.advance(MINUTE)
        await home.fix()
        await home.until_resolved(MINUTE)
        await home.advance(every)


async def test_a_target_that_flaps_is_one_message_and_its_thread() -> None:
    """No wall of firing and resolved: https://github.com/prometheus/alertmanager/issues/2165."""
    async with house() as home:
        await home.settle_in()
        await flap(home, times=4, every=5 * MINUTE)
        (root,) = home.roots
        assert root.text.startswith("✅ resolved")
        assert len(home.thread(root)) == 7


async def test_what_comes_back_is_seen_in_the_channel() -> None:
    """An edited message is easy to miss, so it is a reply that the channel sees: https://github.com/grafana/grafana/issues/93047."""
    async with house() as home:
        await home.settle_in()
        await flap(home, times=2, every=5 * MINUTE)
        (root,) = home.roots
        again = [reply for reply in home.messages if " again, second time" in reply.text.partition("\n")[0]]
        again = [reply for reply in again if "resolved" not in reply.text.partition("\n")[0]]  # its end says so, too
        assert [(reply.thread_ts, reply.broadcast) for reply in again] == [(root.ts, True)]
        assert home.calls == [root, *again]


async def test_nobody_is_called_for_good_news() -> None:
    """A resolve mentions nobody: https://github.com/grafana-cold-storage/oncall/issues/187."""
    async with house() as home:
        await home.settle_in()
        await flap(home, times=1, every=MINUTE)
        assert len(home.calls) == 1
        (reply,) = [message for message in home.messages if message.thread_ts is not None]
        assert "resolved" in reply.text
        assert not any(MENTION in text for text in (reply.text, home.roots[0].text))


async def test_what_a_cause_explains_is_not_reported_apart_and_its_end_is() -> None:
    """Suppressed is the making of a second incident, never an end: https://github.com/prometheus/alertmanager/issues/2754."""
    async with house() as home:
        await home.settle_in()
        await home.break_("provider_failing")
        await home.until_reported("opened", "provider_failing", limit=370)
        await home.break_("gateway_unreachable")
        await home.until_reported("changed", "gateway_unreachable", limit=25)
        assert home.incident is not None
        assert Fault.PROVIDER_FAILING in home.incident.diagnosis.explained
        await home.fix()
        await home.until_resolved(15 * MINUTE)
        await home.advance(MINUTE)
        (root,) = home.roots
        assert "resolved" in root.text.partition("\n")[0]
        assert home.incidents[-1].reason is Reason.RESOLVED


async def test_what_a_cause_explains_does_not_leak_out_at_a_restart() -> None:
    """The cause is remembered before anything is judged: https://github.com/prometheus/alertmanager/issues/2628."""
    async with house() as home:
        await home.settle_in()
        await home.break_("exporter_disabled")
        await home.until(lambda: home.outcomes.count("missing") > 2)
        await home.kill()
        await home.advance(MINUTE)
        await home.start()
        await home.advance(5 * MINUTE)
        assert home.story == [("opened", "exporter_disabled")]
        assert len(home.messages) == len(home.calls) == 1


async def test_one_blip_notifies_nobody() -> None:
    """Late is not down, and once is not twice: https://github.com/louislam/uptime-kuma/issues/3315."""
    async with house() as home:
        await home.settle_in()
        await home.until_looked(CheckName.GATEWAY)
        await home.break_("gateway_unreachable")
        await home.until_looked(CheckName.GATEWAY)
        await home.fix()
        await home.advance(10 * MINUTE)
        assert home.notified == []


@pytest.mark.parametrize("slack", sample(["slack_silent", "slack_slow"], every=2))
async def test_a_slow_slack_delays_no_look(slack: str) -> None:
    """Alerts are not sent inside the loop that checks: https://github.com/TwiN/gatus/blob/master/watchdog/alerting.go."""
    async with house() as home:
        await home.settle_in()
        await home.break_(slack, "exporter_disabled")
        looks = {check: len(home.looks(check)) for check in (CheckName.GATEWAY, CheckName.CONFIG)}
        await home.advance(0.25 * HOUR)
        assert len(home.looks(CheckName.GATEWAY)) - looks[CheckName.GATEWAY] == 60
        assert len(home.looks(CheckName.CONFIG)) - looks[CheckName.CONFIG] >= 15


async def test_a_gauge_does_not_go_on_saying_healthy_when_nothing_runs() -> None:
    """The last run is dated, so that a blackout shows: https://github.com/kuberhealthy/kuberhealthy/issues/1533."""
    async with house() as home:
        await home.settle_in()
        await home.kill()
        stopped = home.clock.now()
        await home.advance(19.2 * HOUR)
        page, _ = home.metrics.render("", home.view())
        lines = [
            line for line in page.decode().splitlines() if line.startswith("trace_monitor_check_last_run_timestamp")
        ]
        assert len(lines) == len(set(CheckName) - {CheckName.VOLUME})
        assert all(float(line.rsplit(" ", 1)[1]) <= stopped for line in lines)
