"""The sentences of the contract about the hops, one story each: who lost a trace, and who cannot be asked or does not answer."""

import pytest

from monitor.core.model import CheckName, Fault, UnknownReason, failing
from monitor.core.pace import why_not_send
from tests.core.build import CANARY, CONFIG, GATEWAY, HOUR, MINUTE, F, Story, a_charge, blind, policy
from tests.core.stories import CRITICAL, MISSING, WARNING, healthy, starts, stops
from tests.sampling import sample

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
    story = stops(healthy())
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
    story = stops(healthy()).live(7 * MINUTE)
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
    story = healthy()
    for confirmed in (set(), {F.INGEST_FAILING}):
        story.control(failing(a_charge(F.INGEST_FAILING, stops_export=True)))
        assert story.confirmed == confirmed


@pytest.mark.parametrize(
    "reason", [UnknownReason.REFUSED, UnknownReason.BLOCKED, UnknownReason.NO_WITNESS, UnknownReason.GARBLED]
)
def test_what_only_says_that_we_cannot_ask_traceloop_accuses_nobody(reason: UnknownReason) -> None:
    """A 429, a Cloudflare page, no connection and no other service that answers: unknown, and in the end blind."""
    story = healthy()
    for _ in range(40):
        story.control(blind(reason))
        story.wait(2 * MINUTE)
    assert story.confirmed == {F.BLIND}
    assert story.diagnosis.severity is WARNING


# --- connectivity, blind --------------------------------------------------------------------------------------------------


def test_without_another_service_that_answers_our_own_network_is_the_suspect() -> None:
    """Ten minutes of it are blind, a warning, and no canary is held back for it."""
    story = healthy()
    for _ in range(30):
        story.wait(15).is_blind(GATEWAY, UnknownReason.NO_WITNESS)
    assert story.confirmed == set()
    for _ in range(15):
        story.wait(15).is_blind(GATEWAY, UnknownReason.NO_WITNESS)
    assert (story.confirmed, story.diagnosis.severity) == ({F.BLIND}, WARNING)
    assert why_not_send(story.state, story.policy, story.now) is None


def test_cloudflares_1010_is_blind_and_not_a_permission() -> None:
    """It is not permanent: nobody needs to grant anything."""
    story = healthy()
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
        story = stops(healthy())
        for _ in range(2):
            story.canary(failing(a_charge(fault)), accepted=False)
        assert story.name is fault
        story.live(8 * MINUTE)
        assert MISSING in story.confirmed


def test_an_error_answer_with_a_trace_id_is_awaited() -> None:
    """Its arrival proves the export, its absence nothing: not even blindness."""
    story = healthy()
    for _ in range(20):
        canary = story.canary(failing(a_charge(F.PROVIDER_FAILING)), accepted=False)
        story.wait(300).see(canary)
    assert story.confirmed == {F.PROVIDER_FAILING}
    story.exports = lambda _sent_at: None
    stopped = stops(healthy()).live(7 * MINUTE)
    assert MISSING in stopped.confirmed
    for _ in range(2):
        stopped.arrives(stopped.canary(failing(a_charge(F.PROVIDER_FAILING)), accepted=False))
    assert MISSING not in stopped.confirmed


def test_a_gateway_that_is_down_explains_why_canaries_fail() -> None:
    """One incident, and no canary while it lasts; the first pass sends one at once."""
    story = healthy().fails(CANARY, F.PROVIDER_FAILING).fails(CANARY, F.PROVIDER_FAILING)
    story.fails(GATEWAY, F.GATEWAY_UNREACHABLE).fails(GATEWAY, F.GATEWAY_UNREACHABLE)
    assert (story.name, story.diagnosis.explained) == (F.GATEWAY_UNREACHABLE, (F.PROVIDER_FAILING,))
    assert why_not_send(story.state, story.policy, story.now) is not None
    assert why_not_send(story.passes(GATEWAY).state, story.policy, story.now) is None
