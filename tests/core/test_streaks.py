"""Debouncing one check: rows of looks, holes in them, and not being able to look."""

from dataclasses import replace

import pytest

from monitor.core.model import CheckName, Fault, UnknownReason, failing
from monitor.core.state import CheckState
from monitor.core.streaks import unsettled
from tests.core.build import CANARY, CONFIG, GATEWAY, MINUTE, F, Story, a_charge, blind, policy

DOWN = F.GATEWAY_UNREACHABLE
LONG_STALE = 3 * 15 + 5 + 1
"""Longer than evidence of the gateway check lasts."""


def gateway() -> Story:
    """A story of the gateway check alone."""
    return Story(policy(without=(CheckName.CANARY, CheckName.ARRIVAL, CheckName.CONTROL)))


def check_state(story: Story, check: CheckName = GATEWAY) -> CheckState:
    """What is remembered of a check."""
    return story.state.check_state(check)


# --- rows ------------------------------------------------------------------------------------------------------------


def test_two_failures_in_a_row_confirm() -> None:
    """One is an opinion; the fault is dated by the first."""
    story = gateway().fails(GATEWAY, DOWN)
    assert story.confirmed == set()
    began = story.now
    story.wait(5).fails(GATEWAY, DOWN)
    active = story.state.confirmed[DOWN]
    assert (active.since, active.confirmed_at) == (began, story.now)


def test_two_passes_in_a_row_clear() -> None:
    """One is an opinion."""
    story = gateway().fails(GATEWAY, DOWN).fails(GATEWAY, DOWN).passes(GATEWAY)
    assert story.confirmed == {DOWN}
    assert story.passes(GATEWAY).confirmed == set()


def test_a_pass_between_begins_the_row_anew() -> None:
    """In a row means in a row, in either direction."""
    story = gateway().fails(GATEWAY, DOWN).passes(GATEWAY).fails(GATEWAY, DOWN)
    assert story.confirmed == set()
    story.fails(GATEWAY, DOWN).passes(GATEWAY).fails(GATEWAY, DOWN).passes(GATEWAY)
    assert story.confirmed == {DOWN}


@pytest.mark.parametrize("times", [1, 3])
def test_the_lengths_of_the_rows_are_configured(times: int) -> None:
    """`fail_after` and `pass_after`."""
    story = Story(policy(fail_after=times, pass_after=times))
    for number in range(times):
        assert bool(story.confirmed) == (number >= times)
        story.fails(GATEWAY, DOWN)
    assert story.confirmed == {DOWN}
    for _ in range(times - 1):
        assert story.passes(GATEWAY).confirmed == {DOWN}
    assert story.passes(GATEWAY).confirmed == set()


def test_conclusive_evidence_settles_at_once() -> None:
    """In either direction."""
    story = Story().fails(CONFIG, F.CONFIG_DRIFT, conclusive=True)
    assert story.confirmed == {F.CONFIG_DRIFT}
    assert story.passes(CONFIG, conclusive=True).confirmed == set()


def test_an_unknown_look_interrupts_no_row() -> None:
    """It changes nothing but ages."""
    story = gateway().fails(GATEWAY, DOWN).wait(5).is_blind(GATEWAY).wait(5).fails(GATEWAY, DOWN)
    assert story.confirmed == {DOWN}
    story.passes(GATEWAY).is_blind(GATEWAY).passes(GATEWAY)
    assert story.confirmed == set()


def test_the_newest_look_gives_a_confirmed_fault_its_words() -> None:
    """But not its dates."""
    story = gateway().fails(GATEWAY, DOWN).wait(5).fails(GATEWAY, DOWN, facts=("one",)).wait(5)
    before = story.state.confirmed[DOWN]
    story.fails(GATEWAY, DOWN, facts=("two",))
    after = story.state.confirmed[DOWN]
    assert after.suspicion.facts == ("two",)
    assert (after.since, after.confirmed_at) == (before.since, before.confirmed_at)


def test_a_check_that_fails_each_time_with_another_fault_is_settled_by_the_newest() -> None:
    """It fails, whatever the reason."""
    story = Story().fails(CANARY, F.PROVIDER_FAILING).fails(CANARY, F.CANARY_REJECTED)
    assert story.confirmed == {F.CANARY_REJECTED}


def test_a_fault_gives_way_to_another_one_when_that_is_confirmed() -> None:
    """Until then the known one stays."""
    story = Story().fails(CANARY, F.PROVIDER_FAILING).fails(CANARY, F.PROVIDER_FAILING).fails(CANARY, F.CANARY_REJECTED)
    assert story.confirmed == {F.PROVIDER_FAILING}
    assert story.fails(CANARY, F.CANARY_REJECTED).confirmed == {F.CANARY_REJECTED}


def test_two_faults_taking_turns_leave_the_one_that_is_known() -> None:
    """Neither row of the other gets long enough."""
    story = Story().fails(CANARY, F.PROVIDER_FAILING).fails(CANARY, F.PROVIDER_FAILING)
    for _ in range(3):
        story.fails(CANARY, F.RATE_LIMITED).fails(CANARY, F.PROVIDER_FAILING)
    assert story.confirmed == {F.PROVIDER_FAILING}


def test_conclusive_evidence_of_another_fault_replaces_what_was_confirmed() -> None:
    """Off is not drift."""
    story = Story().fails(CONFIG, F.CONFIG_DRIFT, conclusive=True).fails(CONFIG, F.EXPORTER_DISABLED, conclusive=True)
    assert story.confirmed == {F.EXPORTER_DISABLED}


def test_a_look_may_hold_two_faults_against_the_world() -> None:
    """Both are confirmed, and the one that is gone after two looks is cleared alone."""
    both = failing(a_charge(F.RATE_LIMITED), a_charge(F.PROVIDER_FAILING))
    story = Story().look(CANARY, both).look(CANARY, both)
    assert story.confirmed == {F.RATE_LIMITED, F.PROVIDER_FAILING}
    story.fails(CANARY, F.RATE_LIMITED)
    assert story.confirmed == {F.RATE_LIMITED, F.PROVIDER_FAILING}
    assert story.fails(CANARY, F.RATE_LIMITED).confirmed == {F.RATE_LIMITED}


# --- stale evidence --------------------------------------------------------------------------------------------------


def test_stale_evidence_does_not_open() -> None:
    """Two failures with a hole between them are no row."""
    assert gateway().fails(GATEWAY, DOWN).wait(LONG_STALE).fails(GATEWAY, DOWN).confirmed == set()
    assert gateway().fails(GATEWAY, DOWN).wait(LONG_STALE - 1).fails(GATEWAY, DOWN).confirmed == {DOWN}


def test_stale_evidence_does_not_open_even_if_somebody_tried_to_look_meanwhile() -> None:
    """Looks that could not see keep no failure fresh."""
    story = gateway().fails(GATEWAY, DOWN)
    for _ in range(12):
        story.wait(5).is_blind(GATEWAY)
    assert story.fails(GATEWAY, DOWN).confirmed == set()
    assert story.state.check_state(GATEWAY).since == {DOWN: story.now}


def test_stale_evidence_does_not_resolve() -> None:
    """A pass of long ago and one now are no row; what is confirmed stays until somebody looks."""
    story = gateway().fails(GATEWAY, DOWN).fails(GATEWAY, DOWN).passes(GATEWAY).wait(LONG_STALE).passes(GATEWAY)
    assert story.confirmed == {DOWN}
    assert story.passes(GATEWAY).confirmed == set()


# --- blind -----------------------------------------------------------------------------------------------------------


def blinded(seconds: float, *, times: int = 2, every: float | None = None) -> Story:
    """A gateway check that has not been able to look for some seconds."""
    story = gateway()
    step = every if every is not None else seconds / (times - 1)
    story.is_blind(GATEWAY)
    for _ in range(times - 1):
        story.wait(step).is_blind(GATEWAY)
    return story


def test_unable_to_look_for_blind_after_is_blind() -> None:
    """At least two looks, ten minutes from the first; dated by the first."""
    story = blinded(590, every=10, times=60)
    assert story.confirmed == set()
    began = story.now - 590
    story.wait(10).is_blind(GATEWAY)
    assert story.confirmed == {F.BLIND}
    assert story.state.confirmed[F.BLIND].since == began


def test_a_check_that_rarely_looks_is_blind_after_two_intervals() -> None:
    """The longer of `blind_after` and twice `every`."""
    story = Story().is_blind(CheckName.CONTROL)
    for minutes in (30, 29):
        story.wait(minutes * MINUTE).is_blind(CheckName.CONTROL)
        assert story.confirmed == set()
    assert story.wait(MINUTE).is_blind(CheckName.CONTROL).confirmed == {F.BLIND}


def test_one_unknown_look_is_never_blind() -> None:
    """However long ago: a row needs two."""
    story = Story(policy(blind_after=1.0)).is_blind(CONFIG).wait(100).tick()
    assert story.confirmed == set()


def test_unknown_looks_with_a_hole_between_them_are_no_row() -> None:
    """Nobody tried to look, so nobody was unable to."""
    assert gateway().is_blind(GATEWAY).wait(700).is_blind(GATEWAY).confirmed == set()


def test_a_look_that_sees_ends_the_row() -> None:
    """Whatever it sees."""
    story = blinded(590, every=10, times=60).fails(GATEWAY, DOWN).wait(10).is_blind(GATEWAY)
    assert story.confirmed == set()


def test_blind_is_over_after_two_looks_that_see() -> None:
    """Also if what they see is bad; one look that cannot see begins the row anew."""
    story = blinded(600, every=10, times=61)
    assert story.confirmed == {F.BLIND}
    story.passes(GATEWAY).is_blind(GATEWAY).fails(GATEWAY, DOWN)
    assert story.confirmed == {F.BLIND}
    assert story.fails(GATEWAY, DOWN).confirmed == {DOWN}


def test_a_conclusive_look_ends_a_blindness_at_once() -> None:
    """It settles everything."""
    for conclusive in (True, False):
        story = Story(policy(blind_after=0.0)).is_blind(CONFIG)
        story.fails(CONFIG, F.CONFIG_DRIFT, conclusive=conclusive)
        assert (F.BLIND in story.confirmed) == (not conclusive)
        passed = Story(policy(blind_after=0.0)).is_blind(CONFIG).passes(CONFIG, conclusive=conclusive)
        assert (F.BLIND in passed.confirmed) == (not conclusive)


def test_at_once_means_at_the_first_look() -> None:
    """`blind_after: 0`, as in a single pass."""
    assert Story(policy(blind_after=0.0)).is_blind(CONFIG).confirmed == {F.BLIND}


@pytest.mark.parametrize("reason", [UnknownReason.BUDGET_SPENT, UnknownReason.NOTHING_TO_JUDGE])
def test_not_looking_on_purpose_is_not_blind(reason: UnknownReason) -> None:
    """A spent budget, nothing to judge: they do not even count."""
    story = Story(policy(blind_after=0.0))
    for _ in range(5):
        story.is_blind(CANARY, reason).wait(HALF_AN_HOUR)
    assert story.confirmed == set()
    last = check_state(story, CANARY).last
    assert last is not None
    assert last.result.unknown_reason is reason


HALF_AN_HOUR = 30 * MINUTE
BLINDING = sorted(
    set(UnknownReason)
    - {UnknownReason.BUDGET_SPENT, UnknownReason.NOTHING_TO_JUDGE, UnknownReason.CRASHED, UnknownReason.TIMEOUT}
)


@pytest.mark.parametrize("reason", BLINDING)
def test_every_other_reason_is_blind_in_the_end(reason: UnknownReason) -> None:
    """Our own network as the suspect, Cloudflare's 1010, an unproven route, a refusal: all the same."""
    story = Story(policy(blind_after=0.0)).is_blind(CANARY, reason)
    assert story.confirmed == {F.BLIND}


def test_a_pause_that_lasts_is_reported() -> None:
    """As every unknown: longer than `blind_after`, and nobody knows why no canary is sent."""
    story = Story().is_blind(CANARY, UnknownReason.PAUSED)
    assert story.wait(300).is_blind(CANARY, UnknownReason.PAUSED).confirmed == set()
    assert story.wait(300).is_blind(CANARY, UnknownReason.PAUSED).confirmed == {F.BLIND}


@pytest.mark.parametrize("fault", [F.RATE_LIMITED, F.GATEWAY_UNREACHABLE])
def test_a_pause_that_a_confirmed_fault_explains_is_not_reported_again(fault: Fault) -> None:
    """Nor does it keep a blindness fresh: nobody was unable to look for an hour."""
    where = GATEWAY if fault is F.GATEWAY_UNREACHABLE else CANARY
    story = Story().fails(where, fault).fails(where, fault)
    for _ in range(12):
        story.wait(300).is_blind(CANARY, UnknownReason.PAUSED)
    assert story.is_blind(CANARY).confirmed == {fault}


def test_a_permanent_reason_says_that_only_a_person_can_fix_it() -> None:
    """So that nobody is reminded of it."""
    story = Story(policy(blind_after=0.0)).is_blind(CONFIG, permanent=True)
    suspicion = story.state.confirmed[F.BLIND].suspicion
    assert suspicion.permanent
    assert suspicion.step.endswith(" There are no reminders.")
    assert story.diagnosis.permanent
    assert not Story(policy(blind_after=0.0)).is_blind(CONFIG).diagnosis.permanent


def test_an_unknown_look_leaves_what_is_confirmed() -> None:
    """A fault and a blindness may stand beside each other; the fault outranks it."""
    story = gateway().fails(GATEWAY, DOWN).fails(GATEWAY, DOWN)
    for _ in range(62):
        story.wait(10).is_blind(GATEWAY)
    assert story.confirmed == {DOWN, F.BLIND}
    assert story.name is DOWN
    warned = Story(policy(blind_after=0.0)).fails(CANARY, F.PROVIDER_FAILING).fails(CANARY, F.PROVIDER_FAILING)
    assert warned.is_blind(CONFIG).name is F.PROVIDER_FAILING


# --- crashes ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("reason", [UnknownReason.CRASHED, UnknownReason.TIMEOUT])
def test_two_crashes_in_a_row_are_a_fault_of_the_monitor(reason: UnknownReason) -> None:
    """A check crashed or did not end: confirmed after `fail_after`, a warning."""
    story = gateway().is_blind(GATEWAY, reason)
    assert story.confirmed == set()
    assert story.is_blind(GATEWAY, reason).confirmed == {F.CHECK_FAILED}


def test_crashes_with_a_look_between_them_are_no_row() -> None:
    """Whatever that look said, unless no canary was to be sent."""
    for between in (UnknownReason.UNREACHABLE, None):
        story = gateway().is_blind(GATEWAY, UnknownReason.CRASHED)
        story = story.is_blind(GATEWAY, between) if between else story.passes(GATEWAY)
        assert story.is_blind(GATEWAY, UnknownReason.CRASHED).confirmed == set()
    spent = Story().is_blind(CANARY, UnknownReason.CRASHED).is_blind(CANARY, UnknownReason.BUDGET_SPENT)
    assert spent.is_blind(CANARY, UnknownReason.CRASHED).confirmed == {F.CHECK_FAILED}


@pytest.mark.parametrize("ending", ["pass", "fail", "unknown"])
def test_a_crash_is_over_at_once(ending: str) -> None:
    """The check works again, whatever it says."""
    story = gateway().is_blind(GATEWAY, UnknownReason.CRASHED).is_blind(GATEWAY, UnknownReason.CRASHED)
    endings = {"pass": story.passes, "unknown": story.is_blind}
    story = endings[ending](GATEWAY) if ending in endings else story.fails(GATEWAY, DOWN)
    assert story.confirmed == set()


def test_a_crash_after_a_hole_does_not_end_what_was_confirmed() -> None:
    """It is still crashing."""
    story = gateway().is_blind(GATEWAY, UnknownReason.CRASHED).is_blind(GATEWAY, UnknownReason.CRASHED)
    assert story.wait(LONG_STALE).is_blind(GATEWAY, UnknownReason.CRASHED).confirmed == {F.CHECK_FAILED}


def test_a_row_of_crashes_is_not_reported_as_blindness() -> None:
    """The log has the traceback: that is the better name."""
    story = gateway()
    for _ in range(70):
        story.is_blind(GATEWAY, UnknownReason.CRASHED).wait(10)
    assert story.confirmed == {F.CHECK_FAILED}


# --- what else is remembered -----------------------------------------------------------------------------------------


def test_the_newest_look_is_remembered() -> None:
    """For the page and the API, of whatever verdict."""
    story = gateway().fails(GATEWAY, DOWN)
    last = check_state(story).last
    assert last is not None
    assert (last.at, last.took, last.result.fault, last.result.summary) == (story.now, 0.1, DOWN, f"{DOWN} it is")


def test_passing_is_remembered_for_ever() -> None:
    """Mentions wait for it, and a restart must not make them wait again."""
    story = gateway().passes(GATEWAY)
    began = story.now
    story.wait(5).fails(GATEWAY, DOWN)
    assert (check_state(story).ever_passed, check_state(story).last_pass_at) == (True, began)
    assert not check_state(gateway().fails(GATEWAY, DOWN)).ever_passed


@pytest.mark.parametrize(
    ("changes", "hurries"),
    [
        ({}, False),
        ({"passes": 3}, False),
        ({"fails": 1}, True),
        ({"unknowns": 1}, True),
        ({"confirmed": {Fault.BLIND: None}}, True),
    ],
)
def test_a_check_is_unsettled_while_something_may_change(changes: dict[str, int], hurries: bool) -> None:
    """Then it is looked at sooner."""
    assert unsettled(replace(CheckState(), **changes)) == hurries  # type: ignore[arg-type]


def test_two_checks_that_confirm_one_fault_are_one_fault() -> None:
    """Of two the earlier counts."""
    story = Story().fails(GATEWAY, DOWN).fails(GATEWAY, DOWN)
    earlier = story.state.confirmed[DOWN]
    story.wait(5).fails(CANARY, DOWN).fails(CANARY, DOWN)
    assert story.state.confirmed[DOWN] == earlier
    reverse = Story().fails(CANARY, DOWN).fails(CANARY, DOWN).wait(5).fails(GATEWAY, DOWN)
    reverse.fails(GATEWAY, DOWN)
    assert reverse.state.confirmed[DOWN].confirmed_at == reverse.now - 5


def test_an_unknown_finding_has_a_reason_and_no_fault() -> None:
    """That nobody could look never means that something is broken."""
    result = blind(UnknownReason.GARBLED)
    assert (result.fault, result.unknown_reason) == (None, UnknownReason.GARBLED)
