"""What the canaries say together, in the order in which they were sent."""

from dataclasses import replace
from itertools import permutations
from typing import Any

import pytest

from monitor.core.arrival import RECOVERABLE_FOR, REMEMBERED
from monitor.core.canary import Canary, Outcome
from monitor.core.inputs import CanaryPlanned
from monitor.core.model import Fault, Severity
from monitor.core.state import Outage
from monitor.core.streaks import trim
from monitor.core.text import capitalised
from monitor.core.trace import LabelJudgement
from tests.core.build import MINUTE, F, Story, a_canary, policy, spans
from tests.fakes.clock import START

OUTCOMES = {
    "A": Outcome.ARRIVED,
    "L": Outcome.LATE,
    "P": Outcome.INCOMPLETE,
    "M": Outcome.MISSING,
    "?": Outcome.UNKNOWN,
}


def series(letters: str, *, began: float = START) -> tuple[Canary, ...]:
    """Canaries a minute apart: arrived, late, incomplete, missing, unknown; `.` is awaited, `-` awaited and late, `r` refused."""
    found = []
    for number, letter in enumerate(letters):
        sent_at = began + number * MINUTE
        outcome = OUTCOMES.get(letter)
        found.append(
            a_canary(
                number,
                sent_at=sent_at,
                answered_at=sent_at,
                accepted=letter != "r",
                outcome=outcome,
                judged_at=sent_at + 300 if outcome else None,
                late=letter in "LM-",
                incomplete="the root span is missing" if letter == "P" else "",
                spans=2 if letter == "P" else 0,
            )
        )
    return tuple(found)


def story(letters: str, **changes: Any) -> Story:
    """A story of these canaries, five minutes after the last one was sent."""
    target = Story(policy(**changes), now=START + 60 * len(letters) + 240)
    target.state = replace(target.state, canaries=series(letters))
    return target.tick()


def then(target: Story, letters: str) -> Story:
    """The same canaries, and what became of more of them."""
    target.now = START + 60 * len(letters) + 240
    known = {canary.id: canary for canary in target.state.canaries}
    target.state = replace(
        target.state,
        canaries=tuple(
            replace(canary, excused=known[canary.id].excused, transient_loss=known[canary.id].transient_loss)
            if canary.id in known
            else canary
            for canary in series(letters)
        ),
    )
    return target.tick()


# --- losses ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("letters", "confirmed"),
    [
        ("AAM", False),
        ("AMM", True),
        ("MM", True),
        ("AMMA", False),
        ("AMAM", False),
        ("AM?M", True),
        ("AM.M", True),
        ("AMrM", True),
        ("AMM.", True),
        ("AMPM", False),
        ("A?????", False),
    ],
)
def test_two_losses_with_no_later_arrival_settle(letters: str, confirmed: bool) -> None:
    """One is never conclusive; what is neither an arrival nor a loss is passed over; a part of a trace is an arrival."""
    assert (F.TRACE_MISSING in story(letters).confirmed) == confirmed


@pytest.mark.parametrize("letters", sorted(set(permutations("AAMM"))), ids="".join)
def test_the_order_of_sending_decides(letters: tuple[str, ...]) -> None:
    """Whatever was judged first."""
    assert (F.TRACE_MISSING in story("".join(letters)).confirmed) == (letters[-2:] == ("M", "M"))


def test_losses_resolve_after_two_later_arrivals() -> None:
    """One is an opinion; one loss among them begins anew."""
    target = story("AMM")
    assert F.TRACE_MISSING in then(target, "AMMA").confirmed
    assert F.TRACE_MISSING in then(target, "AMMAM").confirmed
    assert F.TRACE_MISSING in then(target, "AMMAMA").confirmed
    assert F.TRACE_MISSING not in then(target, "AMMAMAA").confirmed


def test_the_words_say_how_many_and_which() -> None:
    """The newest three trace ids."""
    suspicion = story("AMMMM").state.confirmed[F.TRACE_MISSING].suspicion
    assert suspicion.summary == "the last 4 traces did not arrive"
    assert suspicion.facts == (f"trace {2:032x}, {3:032x}, {4:032x}",)
    assert story("AMM").state.confirmed[F.TRACE_MISSING].since == START + 60
    assert (
        story("M", fail_after=1).state.confirmed[F.TRACE_MISSING].suspicion.summary == "the last trace did not arrive"
    )


def test_a_loss_without_a_trace_id_is_named_by_its_nonce() -> None:
    """Something to search for."""
    target = Story(policy(fail_after=1), now=START + 400)
    target.state = replace(target.state, canaries=tuple(replace(one, trace_id=None) for one in series("M")))
    assert target.tick().diagnosis.because[1] == "Trace nonce gtm-0"


def test_stale_losses_open_nothing() -> None:
    """Bad news of hours ago, after a restart."""
    target = Story(now=START + 3 * 3600)
    target.state = replace(target.state, canaries=series("AMMM"))
    assert target.tick().confirmed == set()
    one_fresh = (*series("AM"), *series("M", began=START + 3 * 3600 - 300))
    target.state = replace(target.state, canaries=one_fresh)
    assert target.tick().confirmed == set()


def test_stale_arrivals_resolve_nothing() -> None:
    """One of hours ago and one of now are no two in a row: in between nothing was checked."""
    target = then(story("AMM"), "AMMA")
    later = target.now + 3 * 3600
    target.now = later
    target.state = replace(target.state, canaries=(*target.state.canaries, *series("A", began=later - 60)))
    assert F.TRACE_MISSING in target.tick().confirmed
    target.wait(60)
    target.state = replace(target.state, canaries=(*target.state.canaries, *series("A", began=later)))
    assert F.TRACE_MISSING not in target.tick().confirmed


# --- the other faults of traces --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("letters", "confirmed"),
    [("LL", True), ("L-", True), ("--", True), ("AL", False), ("LLA", False), ("L?L", True), ("LAL", False)],
)
def test_two_late_traces_settle(letters: str, confirmed: bool) -> None:
    """Also those that are still awaited; `late` is the opposite of arrived in time."""
    assert (F.TRACE_LATE in story(letters).confirmed) == confirmed


@pytest.mark.parametrize(
    ("letters", "said"),
    [("LL", "arrived late"), ("--", "did not arrive in time"), ("L-", "did not arrive in time")],
)
def test_what_has_not_arrived_is_not_said_to_have_arrived(letters: str, said: str) -> None:
    """It may be on its way, or lost."""
    assert story(letters).state.confirmed[F.TRACE_LATE].suspicion.summary == f"the last 2 traces {said}"


def test_lateness_resolves_after_two_arrivals_in_time() -> None:
    """A late arrival is no arrival in time."""
    target = story("LL")
    assert F.TRACE_LATE in then(target, "LLA").confirmed
    assert F.TRACE_LATE in then(target, "LLALA").confirmed
    assert F.TRACE_LATE not in then(target, "LLALAA").confirmed


@pytest.mark.parametrize(("letters", "confirmed"), [("PP", True), ("PA", False), ("PLP", False), ("PMP", True)])
def test_two_incomplete_traces_settle(letters: str, confirmed: bool) -> None:
    """A whole one, late or not, is the opposite."""
    target = story(letters)
    assert (F.TRACE_INCOMPLETE in target.confirmed) == confirmed
    if confirmed:
        suspicion = target.state.confirmed[F.TRACE_INCOMPLETE].suspicion
        assert suspicion.summary == "the last 2 traces arrived incomplete: the root span is missing"
        assert suspicion.facts[0] == "2 spans of the last trace arrived"


def test_the_trace_of_a_refused_request_is_no_proof_that_traces_are_whole_again() -> None:
    """It has fewer spans: those that are missing may be among the others."""
    target = story("PP")
    whole = tuple(replace(canary, accepted=False) for canary in series("PPAA")[2:])
    target.state = replace(target.state, canaries=(*target.state.canaries, *whole))
    assert target.tick().confirmed == {F.TRACE_INCOMPLETE}
    target.state = replace(target.state, canaries=series("PPAA"))
    assert target.tick().confirmed == set()


def labelled(*labels: LabelJudgement | None) -> Story:
    """Arrived traces with these labels."""
    target = Story(now=START + 60 * len(labels) + 240)
    canaries = series("A" * len(labels))
    target.state = replace(
        target.state, canaries=tuple(replace(c, labels=found) for c, found in zip(canaries, labels, strict=True))
    )
    return target.tick()


GOOD = LabelJudgement()
NAMED = LabelJudgement(
    mislabelled=("the service name is `b`, should be `a`", "the resource attribute team is not set, should be `ml`")
)
LEAKING = LabelJudgement(leaked=("tfy.input", "Authorization"))
EMPTY = LabelJudgement(content_missing=True)


def test_a_leak_settles_at_once() -> None:
    """One is one too many; it names attributes, never values."""
    target = labelled(GOOD, LEAKING)
    assert target.confirmed == {F.CONTENT_LEAKED}
    suspicion = target.state.confirmed[F.CONTENT_LEAKED].suspicion
    assert suspicion.summary == "found in `tfy.input`, `Authorization`"
    assert suspicion.facts == (f"trace {1:032x}",)
    assert target.diagnosis.severity is Severity.CRITICAL
    assert target.diagnosis.summary == (
        "Traces contain request or response content. Found in `tfy.input`, `Authorization`."
    )
    assert target.diagnosis.next_step.startswith("Set `exclude_request_data: true` on the traces exporter")


def test_a_credential_alone_is_called_so() -> None:
    """Whatever is expected of content: `exclude_request_data` would not help."""
    target = labelled(GOOD, LabelJudgement(leaked=("Authorization",), credential_alone=True))
    assert target.diagnosis.summary == "Traces contain a credential. Found in `Authorization`."
    assert target.diagnosis.impact == "A credential has been stored in Traceloop since {since}."
    assert target.diagnosis.next_step.startswith("Revoke the credential that these attributes carry")


@pytest.mark.parametrize(("bad", "fault"), [(NAMED, F.TRACE_MISLABELLED), (EMPTY, F.CONTENT_MISSING)])
def test_other_labels_settle_after_two(bad: LabelJudgement, fault: Fault) -> None:
    """Traces without a judgement of labels are passed over; two good ones resolve."""
    assert labelled(GOOD, bad).confirmed == set()
    target = labelled(GOOD, bad, None, bad)
    assert target.confirmed == {fault}
    for better, left in (((GOOD,), {fault}), ((GOOD, None, GOOD), set())):
        target.state = replace(target.state, canaries=labelled(GOOD, bad, None, bad, *better).state.canaries)
        assert target.tick().confirmed == left


@pytest.mark.parametrize(("bad", "fault"), [(EMPTY, F.CONTENT_MISSING), (LEAKING, F.CONTENT_LEAKED)])
def test_the_trace_of_a_refused_request_clears_nothing_that_is_about_content(bad: LabelJudgement, fault: Fault) -> None:
    """It has no response that could be missing, or leak."""
    target = labelled(bad, bad, GOOD, GOOD)
    assert target.confirmed == set()
    refused = tuple(replace(canary, accepted=canary.labels is bad) for canary in target.state.canaries)
    target = labelled(bad, bad)
    target.state = replace(target.state, canaries=refused)
    assert target.tick().confirmed == {fault}


def test_a_mislabelled_trace_says_what_was_found() -> None:
    """The first label that differs is how it shows, the others are reasons."""
    suspicion = labelled(NAMED, NAMED).state.confirmed[F.TRACE_MISLABELLED].suspicion
    assert (suspicion.summary, suspicion.facts[0]) == NAMED.mislabelled


def test_a_trace_in_another_environment_settles_at_once() -> None:
    """It is no absence, so nothing needs to be proven, and no deadline awaited."""
    target = Story(now=START + 90)
    target.state = replace(target.state, canaries=(replace(series(".")[0], elsewhere="stg"),))
    assert target.tick().confirmed == {F.WRONG_ENVIRONMENT}
    assert target.diagnosis.because[0] == "The last trace is in the environment `stg`"
    target.state = replace(target.state, canaries=(*target.state.canaries, *series("A", began=START + 60)))
    assert target.tick().confirmed == {F.WRONG_ENVIRONMENT}
    target.state = replace(target.state, canaries=(*target.state.canaries, *series("A", began=START + 90)))
    assert target.tick().confirmed == set()


def test_a_trace_in_both_environments_accuses_nobody() -> None:
    """It has arrived."""
    target = Story(now=START + 400)
    target.state = replace(target.state, canaries=(replace(series("A")[0], elsewhere="stg"),))
    assert target.tick().confirmed == set()


def misrouted(*places: str) -> Story:
    """Lost traces a minute apart, of which some are `there`, in another environment, and some `nowhere`."""
    target = Story()
    target.state = replace(target.state, outages=(Outage(fault=F.WRONG_ENVIRONMENT, began_at=START),))
    for canary, place in zip(series("M" * len(places)), places, strict=True):
        target.now = canary.sent_at + 300
        found = replace(canary, elsewhere="stg" if place == "there" else None, nowhere=place == "nowhere")
        target.state = replace(target.state, canaries=(*target.state.canaries, found))
        target.tick()
    return target


def test_traces_that_are_nowhere_clear_the_wrong_environment_and_are_losses() -> None:
    """After two of them: what loses them is not what sends the others elsewhere."""
    assert F.TRACE_MISSING not in misrouted("there", "there", "there").confirmed
    one = misrouted("there", "there", "nowhere")
    assert (one.name, one.confirmed & {F.TRACE_MISSING}) == (F.WRONG_ENVIRONMENT, set())
    two = misrouted("there", "there", "nowhere", "nowhere")
    assert F.WRONG_ENVIRONMENT not in two.confirmed
    assert two.name is F.TRACE_MISSING


# --- what is remembered ----------------------------------------------------------------------------------------------


def test_old_canaries_are_forgotten_unless_they_are_awaited() -> None:
    """Twenty hours, the newest two hundred."""
    now = START + RECOVERABLE_FOR
    old, awaited, fresh = series("A.A")
    kept = trim((fresh, replace(old, sent_at=START - 1), replace(awaited, sent_at=START - 1)), now)
    assert [canary.id for canary in kept] == [awaited.id, fresh.id]
    many = trim(series("A" * (REMEMBERED + 5)), START)
    assert (len(many), many[0].id) == (REMEMBERED, "c5")


def test_a_canary_that_is_awaited_makes_no_room_for_newer_ones() -> None:
    """However many there are: a judged one is forgotten in its place, the oldest first."""
    first = trim(series("." + "A" * (REMEMBERED + 5)), START)
    assert (len(first), first[0].id, first[1].id) == (REMEMBERED, "c0", "c7")
    awaited = trim(series("A" + "." * (REMEMBERED + 5)), START)
    assert [canary.id for canary in awaited] == [f"c{place}" for place in range(1, REMEMBERED + 6)]


def test_canaries_are_kept_in_the_order_of_sending() -> None:
    """Also when the clock was set back between two of them."""
    target = Story(now=START + 60)
    first, second = series("..")
    target.feed(CanaryPlanned(at=second.sent_at, canary=second)).feed(CanaryPlanned(at=first.sent_at, canary=first))
    assert [canary.id for canary in target.state.canaries] == [first.id, second.id]


def test_an_empty_series_says_nothing() -> None:
    """A fresh start."""
    target = Story().tick()
    assert (target.confirmed, target.state.incidents, target.events) == (set(), (), [])


@pytest.mark.parametrize(("fail_after", "which"), [(1, "the last trace has"), (2, "the last 2 traces have")])
def test_what_has_not_arrived_at_all_is_overdue_and_not_late(fail_after: int, which: str) -> None:
    """Whether it is lost is not known yet; nothing has arrived, so nothing arrives late."""
    story = Story(policy(fail_after=fail_after)).proven()
    sent = [story.canary() for _ in range(fail_after)]
    story.wait(180)
    for canary in sent:
        story.see(canary)
    said = f"{capitalised(which)} not arrived within 3 min"
    assert story.diagnosis.summary == f"Traces are overdue. {said}."
    assert story.diagnosis.because[0] == said
    assert not any("did not arrive in time" in line for line in story.diagnosis.because)
    assert story.diagnosis.impact == (
        "Traces have been overdue since {since}, and count as lost after 5 min. Requests are not affected."
    )
    story.arrives(sent[0])
    assert story.diagnosis.summary.startswith("Traces arrive late. ")


def test_what_has_arrived_incomplete_is_late() -> None:
    """Some of it arrived."""
    story = Story(policy(fail_after=1)).proven()
    canary = story.canary()
    story.wait(180).see(canary, spans(1)[1:])
    assert story.diagnosis.summary.startswith("Traces arrive late. ")
