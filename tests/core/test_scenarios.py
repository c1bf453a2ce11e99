"""The sentences of the contract about evidence, one story each: what happens, what core believes, what it would send."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from monitor.core.canary import Outcome
from monitor.core.model import CheckName, Fault, Instant, Seconds, Severity, UnknownReason, failing
from monitor.core.notify import trusted
from monitor.core.pace import bar_canary, interval
from monitor.core.trace import Route
from tests.core.build import (
    ARRIVAL,
    CANARY,
    CONFIG,
    CONTROL,
    GATEWAY,
    HOUR,
    MINUTE,
    OFF,
    THEIRS,
    F,
    Story,
    a_charge,
    blind,
    manifest,
    policy,
    quick,
    spans,
)
from tests.fakes.clock import START
from tests.sampling import sample

MISSING, DISABLED = F.TRACE_MISSING, F.EXPORTER_DISABLED
WARNING, CRITICAL = Severity.WARNING, Severity.CRITICAL


def well() -> Story:
    """A target that has been well for ten minutes: everything has passed, every route has proven itself."""
    story = Story().config(updated_at=START - HOUR).passes(GATEWAY).proven()
    story.control_seen(story.control(), shown=True)
    story.live(10 * MINUTE)
    assert (story.confirmed, story.turns) == (set(), [])
    assert trusted(story.state, story.policy)
    return story


def stops(story: Story, at: Instant | None = None) -> Story:
    """From now on nothing is exported."""
    moment = at if at is not None else story.now
    before = story.exports
    story.exports = lambda sent_at: before(sent_at) if sent_at < moment else None
    return story


def starts(story: Story) -> Story:
    """From now on everything is exported again."""
    moment, before = story.now, story.exports
    story.exports = lambda sent_at: 3.0 if sent_at >= moment else before(sent_at)
    return story


# --- healthy ---------------------------------------------------------------------------------------------------------


@quick
@given(st.lists(st.floats(0, 170), min_size=5, max_size=12), st.data())
def test_random_delays_below_the_limits_notify_nobody(delays: list[float], data: st.DataObject) -> None:
    """However the traces overtake each other, and with reads that fail now and then."""
    story = Story().config().passes(GATEWAY).proven()
    story.exports = lambda sent_at: delays[int(sent_at - START) // 60 % len(delays)]
    for _ in range(3):
        story.live(data.draw(st.floats(60, 300)))
        story.cannot_see(None)
    story.live(10 * MINUTE)
    assert story.turns == []
    assert story.confirmed == set()


@quick
@given(st.sets(st.integers(0, 6).map(lambda number: number * 7)))
def test_one_loss_never_notifies_anybody(lost: set[int]) -> None:
    """Single ones, too far apart to be three of twelve."""
    story = Story().config().passes(GATEWAY).proven()
    story.exports = lambda sent_at: None if round((sent_at - START) / 60) in lost else 3.0
    story.live(50 * MINUTE)
    assert story.turns == []
    missing = [canary for canary in story.state.canaries if canary.outcome is Outcome.MISSING]
    assert len(missing) == len(lost)


def test_two_losses_in_a_row_that_are_over_are_reported_once() -> None:
    """As a closed warning, without a call."""
    story = well()
    moment = story.now
    story.exports = lambda sent_at: None if moment <= sent_at < moment + 120 else 3.0
    story.live(HOUR)
    assert story.turns == ["resolved trace_missing"]
    assert story.state.incidents[0].diagnosis.severity is WARNING


def test_three_of_the_last_twelve_are_notified_until_the_window_holds_fewer() -> None:
    """Every fourth trace is lost for a while."""
    story = well()
    moment = story.now
    story.exports = lambda sent_at: (
        None if 0 <= sent_at - moment < 24 * 60 and round((sent_at - moment) / 60) % 4 == 3 else 3.0
    )
    story.live(2 * HOUR)
    assert story.turns == ["opened trace_missing", "resolved trace_missing"]
    diagnosis = story.state.incidents[0].diagnosis
    assert diagnosis.because[0] == "3 of the last 12 traces did not arrive, the others did"
    assert diagnosis.summary == (
        "Some traces do not arrive in Traceloop. 3 of the last 12 traces did not arrive, the others did."
    )


# --- the arrival trend -----------------------------------------------------------------------------------------------


def test_an_export_that_stops_is_found_after_two_deadlines() -> None:
    """Late first, a warning; then missing, critical; one incident. It resolves with two arrivals in a row."""
    story = stops(well())
    began = story.now
    story.live(4 * MINUTE + 30)
    assert (story.name, story.diagnosis.severity) == (F.TRACE_LATE, WARNING)
    story.live(100)
    assert (story.name, story.diagnosis.severity, story.diagnosis.explained) == (MISSING, CRITICAL, (F.TRACE_LATE,))
    assert story.now - began < 7 * MINUTE
    starts(story.live(30 * MINUTE)).live(2 * MINUTE)
    assert story.turns == ["opened trace_late", "changed trace_missing", "resolved trace_missing"]
    losses = story.state.incidents[0].losses
    assert losses is not None
    assert losses.lost > 20
    story.live(HOUR)
    assert len(story.turns) == 3


def test_the_losses_of_a_resolved_outage_are_judged_after_it_and_notify_nobody() -> None:
    """The canaries that were pending at the resolve."""
    story = stops(well()).live(10 * MINUTE)
    starts(story).live(2 * MINUTE)
    assert story.name is None
    pending = [canary for canary in story.state.canaries if canary.pending]
    assert pending
    story.live(HOUR)
    assert story.turns[-1] == "resolved trace_missing"
    assert any(story.known(canary.id).outcome is Outcome.MISSING for canary in pending)


def test_lost_traces_that_come_after_all_are_said_in_the_resolve() -> None:
    """Each is looked for once more when traces arrive again: late ones are not lost."""
    story = well()
    began = story.now
    ended = began + 20 * MINUTE

    def delayed(sent_at: Instant) -> Seconds | None:
        return 3.0 if not began <= sent_at < ended else ended + 5 - sent_at if sent_at < began + 10 * MINUTE else None

    story.exports = delayed
    story.live(20 * MINUTE)
    assert story.name is MISSING
    story.live(2 * MINUTE)
    losses = story.state.incidents[0].losses
    assert losses is not None
    assert losses.late == 10
    assert losses.longest_delay is not None
    assert 20 * MINUTE <= losses.longest_delay < 21 * MINUTE
    assert losses.lost > 0


def test_lost_traces_that_come_after_the_resolve_are_put_right() -> None:
    """What was held up comes behind what is new: the incident that is over says so, and nothing is reported anew."""
    story = well()
    began = story.now
    story.exports = lambda sent_at: 25 * MINUTE if sent_at < began + 15 * MINUTE else 3.0
    story.live(20 * MINUTE)
    assert story.turns[-1] == "resolved trace_missing"
    before = story.state.incidents[0].losses
    assert before is not None
    assert before.lost > 0
    turns = len(story.turns)
    story.live(HOUR)
    after = story.state.incidents[0].losses
    assert after is not None
    assert (after.sent, after.lost) == (before.sent, 0)
    assert len(story.turns) == turns


def test_a_trace_that_has_not_come_starts_control_and_the_faster_cadence() -> None:
    """From `look_closer_after` on."""
    story = stops(well())
    story.canary()
    story.wait(59)
    assert interval(CONTROL, story.state, story.policy, story.now) == 1800
    story.wait(1)
    assert interval(CONTROL, story.state, story.policy, story.now) == 120
    assert interval(CANARY, story.state, story.policy, story.now) == 60


# --- absence, presence -----------------------------------------------------------------------------------------------


def test_absence_through_a_route_that_has_proven_nothing_is_unknown() -> None:
    """It opens nothing but blind, and only after ten minutes of it."""
    story = stops(Story().config()).live(14 * MINUTE)
    assert story.confirmed == set()
    assert {canary.outcome for canary in story.state.canaries} == {None, Outcome.UNKNOWN}
    story.live(2 * MINUTE)
    assert story.confirmed == {F.BLIND}


def test_a_control_span_proves_the_route_for_canaries() -> None:
    """With the same credential."""
    story = stops(Story().config())
    story.control_seen(story.control(), shown=True, route=Route.TRACE)
    story.live(8 * MINUTE)
    assert MISSING in story.confirmed


def test_a_proof_lasts_a_day() -> None:
    """Then absence is unknown again."""
    story = Story().config().proven().wait(24 * HOUR + 1)
    lost = story.canary()
    story.wait(300).see(lost)
    assert story.known(lost).outcome is Outcome.UNKNOWN


def test_reads_that_fail_make_no_loss() -> None:
    """A canary is missing only by a look that succeeded after its deadline."""
    story = well()
    for _ in range(8):
        canary = story.canary()
        for seconds in (100, 100, 99):
            story.wait(seconds).see(canary)
        for _ in range(10):
            story.wait(30).cannot_see(canary)
    assert story.confirmed <= {F.TRACE_LATE, F.BLIND}
    assert all(canary.outcome is not Outcome.MISSING for canary in story.state.canaries)


def test_traces_in_part_are_reported_as_such() -> None:
    """At the deadline the root is missing."""
    story = well()
    for _ in range(2):
        canary = story.canary()
        number = int(canary[1:])
        story.see(canary, spans(number)[1:]).wait(300).see(canary, spans(number)[1:])
    assert F.TRACE_INCOMPLETE in story.confirmed
    assert MISSING not in story.confirmed


def test_a_leak_is_reported_with_the_first_trace_that_shows_it() -> None:
    """Critical, and naming attributes."""
    story = well()
    canary = story.canary()
    story.arrives(canary, spans(int(canary[1:]), content=("tfy.input",)))
    assert (story.name, story.diagnosis.severity) == (F.CONTENT_LEAKED, CRITICAL)
    assert "tfy.input" in story.diagnosis.summary


def test_a_misrouted_trace_is_reported_as_soon_as_it_is_found() -> None:
    """It explains the losses that follow."""
    story = stops(well())
    canary = story.canary()
    story.wait(60).elsewhere(canary)
    assert story.turns == ["opened wrong_environment"]
    starts(story.live(10 * MINUTE)).live(2 * MINUTE)
    assert story.turns == ["opened wrong_environment", "resolved wrong_environment"]
    assert len(story.live(HOUR).turns) == 2


# --- the triage ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("own", "shown", "name"),
    [
        (True, True, F.EXPORT_FAILING),
        (False, True, F.TRACE_NOT_CREATED),
        (False, None, F.TRACE_NOT_CREATED),
        (True, None, MISSING),
        (None, True, MISSING),
    ],
)
def test_a_loss_gets_the_name_of_the_hop_that_lost_it(own: bool | None, shown: bool | None, name: Fault) -> None:
    """The own store and a control span sent after the loss."""
    story = stops(well())
    lost = story.canary()
    story.live(7 * MINUTE)
    if own is not None:
        story.origin(lost, found=own)
    if shown is not None:
        control = story.control()
        story.wait(5).control_seen(control, shown=shown)
    assert story.name is name
    assert story.diagnosis.severity is CRITICAL


def test_traceloop_that_shows_nothing_is_the_cause_of_the_losses() -> None:
    """Own store yes, control span no: ingest_failing explains them, and the incident says so when it is fixed."""
    story = stops(well()).live(7 * MINUTE)
    for _ in range(2):
        control = story.control()
        story.live(5 * MINUTE).control_seen(control, shown=False)
    assert (story.name, story.diagnosis.severity) == (F.INGEST_FAILING, CRITICAL)
    assert MISSING in story.diagnosis.explained
    starts(story)
    for _ in range(2):
        control = story.control()
        story.wait(1).control_seen(control, shown=True)
    assert story.name is F.INGEST_FAILING
    assert story.diagnosis.waiting is not None
    story.live(2 * MINUTE)
    assert story.turns[-1] == "resolved ingest_failing"
    assert story.live(HOUR).turns[-1] == "resolved ingest_failing"


# --- control ---------------------------------------------------------------------------------------------------------


def test_traceloop_that_refuses_a_span_is_reported_after_two() -> None:
    """A 5xx, a 3xx, a 4xx: none of them is conclusive."""
    story = well()
    for confirmed in (set(), {F.INGEST_FAILING}):
        story.control(failing("HTTP 503", a_charge(F.INGEST_FAILING, stops_export=True)))
        assert story.confirmed == confirmed


@pytest.mark.parametrize(
    "reason", [UnknownReason.REFUSED, UnknownReason.BLOCKED, UnknownReason.NO_WITNESS, UnknownReason.GARBLED]
)
def test_what_only_says_that_we_cannot_ask_traceloop_accuses_nobody(reason: UnknownReason) -> None:
    """A 429, a Cloudflare page, no connection and no other service that answers: unknown, and in the end blind."""
    story = well()
    for _ in range(40):
        story.control(blind(reason))
        story.wait(2 * MINUTE)
    assert story.confirmed == {F.BLIND}
    assert story.diagnosis.severity is WARNING


# --- settling --------------------------------------------------------------------------------------------------------


def test_on_to_off_is_reported_at_once_and_explains_what_follows() -> None:
    """The exporter goes on with the old configuration for minutes: those arrivals do not contradict it."""
    story = well()
    stops(story, at=story.now + 5 * MINUTE)
    story.config(OFF, by="bob")
    assert (story.name, story.diagnosis.severity) == (DISABLED, CRITICAL)
    story.live(30 * MINUTE)
    assert story.turns == ["opened exporter_disabled"]
    assert story.diagnosis.also == ()
    lost = next(one.sent_at for one in story.state.canaries if one.outcome is Outcome.MISSING)
    assert story.diagnosis.missing_since == lost > story.diagnosis.since
    story.state = replace(
        story.state, canaries=story.state.canaries[-3:]
    )  # as it is hours later: the first loss is forgotten
    assert story.live(10 * MINUTE).diagnosis.missing_since == lost


def test_off_to_on_waits_for_traces_and_not_for_settle() -> None:
    """Losses of the minutes in which the exporter still has the old configuration accuse nobody, then or later."""
    story = well()
    stops(story).config(OFF).live(10 * MINUTE).config(by="ana")
    story.live(5 * MINUTE)
    assert story.name is DISABLED
    assert story.diagnosis.waiting is not None
    starts(story).live(2 * MINUTE)
    assert story.turns == ["opened exporter_disabled", "resolved exporter_disabled"]
    assert story.live(2 * HOUR).turns == ["opened exporter_disabled", "resolved exporter_disabled"]


def test_off_and_on_within_the_cache_is_resolved_with_the_first_arrivals() -> None:
    """The exporter never noticed."""
    story = well().config(OFF).live(MINUTE).config().live(2 * MINUTE)
    assert story.turns == ["opened exporter_disabled", "resolved exporter_disabled"]


def test_off_but_traces_arrive_is_another_export_path_after_settle() -> None:
    """Not before."""
    story = well().config(OFF).live(6 * MINUTE)
    before = story.diagnosis
    story.live(2 * MINUTE)
    assert (before.severity, story.name, story.diagnosis.severity) == (CRITICAL, DISABLED, WARNING)
    assert "Traces still arrive: there must be another export path" in story.diagnosis.because
    unread = story.is_blind(CONFIG).diagnosis.because
    assert (
        "Traces still arrive: the configuration, which cannot be read any more, was fixed since, or there is another export path"
    ) in unread
    story.config(OFF)
    assert story.diagnosis.waiting is None
    stops(story).live(10 * MINUTE)
    assert story.diagnosis.severity is CRITICAL


def test_a_404_is_not_outranked_by_the_arrivals_of_before() -> None:
    """It is off after two looks, critical, although traces have arrived for an hour."""
    story = well().live(HOUR).config_gone()
    assert story.confirmed == set()
    story.wait(15).config_gone()
    assert (story.name, story.diagnosis.severity) == (DISABLED, CRITICAL)


def test_key_a_to_b_where_b_is_good_is_reported_and_then_outranked() -> None:
    """Another key that works: the drift is reported as critical, and a warning once traces arrive after settle."""
    story = well().config(manifest(key=THEIRS))
    assert (story.name, story.diagnosis.severity) == (F.CONFIG_DRIFT, CRITICAL)
    story.live(8 * MINUTE)
    assert (story.name, story.diagnosis.severity) == (F.CONFIG_DRIFT, WARNING)
    assert story.config().name is None


def test_key_a_to_b_where_b_is_masked_accuses_only_after_settle() -> None:
    """Nothing can be compared; what is lost in the first six minutes accuses nobody, what is lost later does."""
    story = well().config(manifest(key="tfy-secret://a:b:c"))
    changed = story.now
    stops(story).live(6 * MINUTE + 300)
    assert MISSING not in story.confirmed
    story.live(2 * MINUTE)
    assert MISSING in story.confirmed
    assert story.state.confirmed[MISSING].since >= changed + 6 * MINUTE


@pytest.mark.parametrize(("updated_before", "accuses"), [(MINUTE, False), (7 * MINUTE, True)])
def test_a_configuration_changed_shortly_before_the_start_is_still_settling(
    updated_before: Seconds, accuses: bool
) -> None:
    """Started one minute after a change: the first canaries accuse nobody."""
    story = Story().config(updated_at=START - updated_before).proven()
    stops(story).live(7 * MINUTE)
    assert (MISSING in story.confirmed) == accuses


def test_after_a_restart_a_change_is_reported_from_the_stored_look() -> None:
    """What was remembered is the look before."""
    before = well()
    after = Story(now=before.now + HOUR, state=before.state)
    after.config(manifest(key="tfy-secret://a:b:c"), updated_at=START - HOUR)
    assert after.state.config is not None
    assert after.state.config.changed_at == after.now


def test_losses_beside_a_harmless_drift_are_reported() -> None:
    """It explains nothing, so it excuses nothing."""
    story = well().fails(CONFIG, F.CONFIG_DRIFT, conclusive=True, severity=WARNING)
    stops(story).live(8 * MINUTE)
    assert (story.name, story.diagnosis.also) == (MISSING, (F.CONFIG_DRIFT,))


# --- connectivity, blind --------------------------------------------------------------------------------------------------


def test_without_another_service_that_answers_our_own_network_is_the_suspect() -> None:
    """Ten minutes of it are blind, a warning, and no canary is held back for it."""
    story = well()
    for _ in range(30):
        story.wait(15).is_blind(GATEWAY, UnknownReason.NO_WITNESS)
    assert story.confirmed == set()
    for _ in range(15):
        story.wait(15).is_blind(GATEWAY, UnknownReason.NO_WITNESS)
    assert (story.confirmed, story.diagnosis.severity) == ({F.BLIND}, WARNING)
    assert bar_canary(story.state, story.policy, story.now) is None


def test_cloudflares_1010_is_blind_and_not_a_permission() -> None:
    """It is not permanent: nobody needs to grant anything."""
    story = well()
    for _ in range(50):
        story.wait(15).is_blind(CONFIG, UnknownReason.BLOCKED)
    assert story.confirmed == {F.BLIND}
    assert not story.diagnosis.permanent


def test_a_403_on_the_configuration_is_reported_once() -> None:
    """A permanent reason: blind, and nobody is reminded even if the operator calls it critical."""
    story = Story(policy(severity={F.BLIND: CRITICAL}))
    for _ in range(12):
        story.is_blind(CONFIG, UnknownReason.REFUSED, permanent=True).wait(MINUTE)
    assert story.turns == ["opened blind"]
    assert story.diagnosis.permanent


@pytest.mark.parametrize("check", sample(CheckName, every=2))
def test_unknown_opens_nothing_but_blind_and_check_failed(check: CheckName) -> None:
    """Whatever the check, whatever the reason."""
    for reason in UnknownReason:
        story = Story()
        for _ in range(130):
            story.wait(MINUTE).is_blind(check, reason)
        assert story.confirmed <= {F.BLIND, F.CHECK_FAILED}


# --- the gateway's answers -------------------------------------------------------------------------------------------


def test_what_the_gateway_answers_explains_no_loss() -> None:
    """It explains only that no trace could be made: losses of canaries that were served are reported."""
    for fault in (F.GATEWAY_REFUSED, F.RATE_LIMITED, F.CANARY_REJECTED, F.PROVIDER_FAILING):
        story = stops(well())
        for _ in range(2):
            story.canary(failing("no", a_charge(fault)), accepted=False)
        assert story.name is fault
        story.live(8 * MINUTE)
        assert MISSING in story.confirmed


def test_an_error_answer_with_a_trace_id_is_awaited() -> None:
    """Its arrival proves the export, its absence nothing: not even blindness."""
    story = well()
    for _ in range(20):
        canary = story.canary(failing("HTTP 500", a_charge(F.PROVIDER_FAILING)), accepted=False)
        story.wait(300).see(canary)
    assert story.confirmed == {F.PROVIDER_FAILING}
    story.exports = lambda _sent_at: None
    stopped = stops(well()).live(7 * MINUTE)
    assert MISSING in stopped.confirmed
    for _ in range(2):
        stopped.arrives(stopped.canary(failing("HTTP 500", a_charge(F.PROVIDER_FAILING)), accepted=False))
    assert MISSING not in stopped.confirmed


def test_a_gateway_that_is_down_explains_why_canaries_fail() -> None:
    """One incident, and no canary while it lasts; the first pass sends one at once."""
    story = well().fails(CANARY, F.PROVIDER_FAILING).fails(CANARY, F.PROVIDER_FAILING)
    story.fails(GATEWAY, F.GATEWAY_UNREACHABLE).fails(GATEWAY, F.GATEWAY_UNREACHABLE)
    assert (story.name, story.diagnosis.explained) == (F.GATEWAY_UNREACHABLE, (F.PROVIDER_FAILING,))
    assert bar_canary(story.state, story.policy, story.now) is not None
    assert bar_canary(story.passes(GATEWAY).state, story.policy, story.now) is None


def test_one_incident_for_drift_and_the_losses_that_follow() -> None:
    """Drift at 14:02, missing from 14:03; an unexplained second fault takes over when the first is fixed."""
    story = stops(well()).config(OFF)
    story.live(10 * MINUTE).fails(GATEWAY, F.GATEWAY_REFUSED, conclusive=True)
    assert (story.name, story.diagnosis.also) == (DISABLED, (F.GATEWAY_REFUSED,))
    starts(story).config().live(3 * MINUTE)
    assert (story.name, story.diagnosis.also, story.diagnosis.waiting) == (F.GATEWAY_REFUSED, (), None)
    assert story.turns == ["opened exporter_disabled", "changed gateway_refused"]


def test_nothing_waits_in_a_target_without_an_incident() -> None:
    """A memory of hours of quiet is that of a fresh start, but for what was seen."""
    story = well().live(HOUR)
    assert (story.state.recovery, story.state.outages, story.state.incidents) == (None, (), ())
    assert story.state.check_state(ARRIVAL).confirmed == {}
    assert replace(story.state, canaries=()).target == "prod"
