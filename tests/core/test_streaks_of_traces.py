"""What the canaries say together, in the order in which they were sent."""

from dataclasses import replace
from itertools import permutations
from typing import Any

import pytest

from monitor.core.arrival import RECOVERABLE_FOR, REMEMBERED
from monitor.core.canary import Canary, Outcome
from monitor.core.drift import ConfigMemory, ConfigSeen
from monitor.core.inputs import CanaryPlanned
from monitor.core.model import Fault, Severity, length_text
from monitor.core.state import Outage
from monitor.core.streaks import intermittent, is_intermittent, transient_loss, trim
from monitor.core.trace import LabelJudgement
from monitor.settings.target import ArrivalCheck
from tests.core.build import CONFIG, CONTROL, MINUTE, F, Story, a_canary, manifest, policy, spans
from tests.fakes.clock import START

OUTCOMES = {
    "A": Outcome.ARRIVED,
    "L": Outcome.LATE,
    "P": Outcome.INCOMPLETE,
    "M": Outcome.MISSING,
    "?": Outcome.UNKNOWN,
}


def series(letters: str, *, began: float = START) -> tuple[Canary, ...]:
    """Canaries a minute apart: arrived, late, in part, missing, unknown; `.` is awaited, `-` awaited and late, `r` refused."""
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
    notified = Story(policy(**changes), now=START + 60 * len(letters) + 240)
    notified.state = replace(notified.state, canaries=series(letters))
    return notified.tick()


def then(notified: Story, letters: str) -> Story:
    """The same canaries, and what became of more of them."""
    notified.now = START + 60 * len(letters) + 240
    known = {canary.id: canary for canary in notified.state.canaries}
    notified.state = replace(
        notified.state,
        canaries=tuple(
            replace(canary, excused=known[canary.id].excused, transient_loss=known[canary.id].transient_loss)
            if canary.id in known
            else canary
            for canary in series(letters)
        ),
    )
    return notified.tick()


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
    notified = story("AMM")
    assert F.TRACE_MISSING in then(notified, "AMMA").confirmed
    assert F.TRACE_MISSING in then(notified, "AMMAM").confirmed
    assert F.TRACE_MISSING in then(notified, "AMMAMA").confirmed
    assert F.TRACE_MISSING not in then(notified, "AMMAMAA").confirmed


def test_the_words_say_how_many_and_which() -> None:
    """The newest three trace ids."""
    suspicion = story("AMMMM").state.confirmed[F.TRACE_MISSING].suspicion
    assert suspicion.summary == "4 traces in a row did not arrive, and none that was sent later"
    assert suspicion.facts == (f"trace {2:032x}, {3:032x}, {4:032x}",)
    assert story("AMM").state.confirmed[F.TRACE_MISSING].since == START + 60
    assert (
        story("M", fail_after=1).state.confirmed[F.TRACE_MISSING].suspicion.summary.startswith("1 trace did not arrive")
    )


def test_a_loss_without_a_trace_id_is_named_by_its_nonce() -> None:
    """Something to search for."""
    notified = Story(policy(fail_after=1), now=START + 400)
    notified.state = replace(notified.state, canaries=tuple(replace(one, trace_id=None) for one in series("M")))
    assert notified.tick().diagnosis.because[1] == "trace nonce gtm-0"


def test_stale_losses_open_nothing() -> None:
    """Bad news of hours ago, after a restart."""
    notified = Story(now=START + 3 * 3600)
    notified.state = replace(notified.state, canaries=series("AMMM"))
    assert notified.tick().confirmed == set()
    one_fresh = (*series("AM"), *series("M", began=START + 3 * 3600 - 300))
    notified.state = replace(notified.state, canaries=one_fresh)
    assert notified.tick().confirmed == set()


def test_stale_arrivals_resolve_nothing() -> None:
    """One of hours ago and one of now are no two in a row: in between nobody looked."""
    notified = then(story("AMM"), "AMMA")
    later = notified.now + 3 * 3600
    notified.now = later
    notified.state = replace(notified.state, canaries=(*notified.state.canaries, *series("A", began=later - 60)))
    assert F.TRACE_MISSING in notified.tick().confirmed
    notified.wait(60)
    notified.state = replace(notified.state, canaries=(*notified.state.canaries, *series("A", began=later)))
    assert F.TRACE_MISSING not in notified.tick().confirmed


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
    [("LL", "came late"), ("--", "did not come in time"), ("L-", "did not come in time")],
)
def test_what_has_not_come_is_not_said_to_have_come(letters: str, said: str) -> None:
    """It may be on its way, or lost."""
    assert story(letters).state.confirmed[F.TRACE_LATE].suspicion.summary == f"2 traces in a row {said}"


def test_lateness_resolves_after_two_arrivals_in_time() -> None:
    """A late arrival is no arrival in time."""
    notified = story("LL")
    assert F.TRACE_LATE in then(notified, "LLA").confirmed
    assert F.TRACE_LATE in then(notified, "LLALA").confirmed
    assert F.TRACE_LATE not in then(notified, "LLALAA").confirmed


@pytest.mark.parametrize(("letters", "confirmed"), [("PP", True), ("PA", False), ("PLP", False), ("PMP", True)])
def test_two_traces_in_part_settle(letters: str, confirmed: bool) -> None:
    """A whole one, late or not, is the opposite."""
    notified = story(letters)
    assert (F.TRACE_INCOMPLETE in notified.confirmed) == confirmed
    if confirmed:
        suspicion = notified.state.confirmed[F.TRACE_INCOMPLETE].suspicion
        assert suspicion.summary.endswith("arrived in part: the root span is missing")
        assert suspicion.facts[0] == "2 span(s) arrived; the root span is missing"


def test_the_trace_of_a_refused_request_is_no_proof_that_traces_are_whole_again() -> None:
    """It has fewer spans: those that are missing may be among the others."""
    notified = story("PP")
    whole = tuple(replace(canary, accepted=False) for canary in series("PPAA")[2:])
    notified.state = replace(notified.state, canaries=(*notified.state.canaries, *whole))
    assert notified.tick().confirmed == {F.TRACE_INCOMPLETE}
    notified.state = replace(notified.state, canaries=series("PPAA"))
    assert notified.tick().confirmed == set()


def labelled(*labels: LabelJudgement | None) -> Story:
    """Arrived traces with these labels."""
    notified = Story(now=START + 60 * len(labels) + 240)
    canaries = series("A" * len(labels))
    notified.state = replace(
        notified.state, canaries=tuple(replace(c, labels=found) for c, found in zip(canaries, labels, strict=True))
    )
    return notified.tick()


GOOD = LabelJudgement()
NAMED = LabelJudgement(mislabelled=("service name: expected a, found b",))
LEAKING = LabelJudgement(leaked=("tfy.input", "Authorization"))
EMPTY = LabelJudgement(content_missing=True)


def test_a_leak_settles_at_once() -> None:
    """One is one too many; it names attributes, never values."""
    notified = labelled(GOOD, LEAKING)
    assert notified.confirmed == {F.CONTENT_LEAKED}
    suspicion = notified.state.confirmed[F.CONTENT_LEAKED].suspicion
    assert suspicion.summary == "the trace carries tfy.input, Authorization"
    assert suspicion.facts[:2] == ("attribute tfy.input", "attribute Authorization")
    assert notified.diagnosis.severity is Severity.CRITICAL


@pytest.mark.parametrize(("bad", "fault"), [(NAMED, F.TRACE_MISLABELLED), (EMPTY, F.CONTENT_MISSING)])
def test_other_labels_settle_after_two(bad: LabelJudgement, fault: Fault) -> None:
    """Traces without a judgement of labels are passed over; two good ones resolve."""
    assert labelled(GOOD, bad).confirmed == set()
    notified = labelled(GOOD, bad, None, bad)
    assert notified.confirmed == {fault}
    for better, left in (((GOOD,), {fault}), ((GOOD, None, GOOD), set())):
        notified.state = replace(notified.state, canaries=labelled(GOOD, bad, None, bad, *better).state.canaries)
        assert notified.tick().confirmed == left


@pytest.mark.parametrize(("bad", "fault"), [(EMPTY, F.CONTENT_MISSING), (LEAKING, F.CONTENT_LEAKED)])
def test_the_trace_of_a_refused_request_clears_nothing_that_is_about_content(bad: LabelJudgement, fault: Fault) -> None:
    """It has no response that could be missing, or leak."""
    notified = labelled(bad, bad, GOOD, GOOD)
    assert notified.confirmed == set()
    refused = tuple(replace(canary, accepted=canary.labels is bad) for canary in notified.state.canaries)
    notified = labelled(bad, bad)
    notified.state = replace(notified.state, canaries=refused)
    assert notified.tick().confirmed == {fault}


def test_a_mislabelled_trace_says_what_was_found() -> None:
    """The first oddity names it, all of them are facts."""
    suspicion = labelled(NAMED, NAMED).state.confirmed[F.TRACE_MISLABELLED].suspicion
    assert suspicion.summary == "service name: expected a, found b"
    assert suspicion.facts[0] == suspicion.summary


def test_a_trace_in_another_environment_settles_at_once() -> None:
    """It is no absence, so nothing needs to be proven, and no deadline awaited."""
    notified = Story(now=START + 90)
    notified.state = replace(notified.state, canaries=(replace(series(".")[0], elsewhere="stg"),))
    assert notified.tick().confirmed == {F.WRONG_ENVIRONMENT}
    assert notified.diagnosis.because[0] == "the trace is in the Traceloop environment stg"
    notified.state = replace(notified.state, canaries=(*notified.state.canaries, *series("A", began=START + 60)))
    assert notified.tick().confirmed == {F.WRONG_ENVIRONMENT}
    notified.state = replace(notified.state, canaries=(*notified.state.canaries, *series("A", began=START + 90)))
    assert notified.tick().confirmed == set()


def test_a_trace_in_both_environments_accuses_nobody() -> None:
    """It has arrived."""
    notified = Story(now=START + 400)
    notified.state = replace(notified.state, canaries=(replace(series("A")[0], elsewhere="stg"),))
    assert notified.tick().confirmed == set()


def misrouted(*places: str) -> Story:
    """Lost traces a minute apart, of which some are `there`, in another environment, and some `nowhere`."""
    notified = Story()
    notified.state = replace(notified.state, outages=(Outage(fault=F.WRONG_ENVIRONMENT, began_at=START),))
    for canary, place in zip(series("M" * len(places)), places, strict=True):
        notified.now = canary.sent_at + 300
        found = replace(canary, elsewhere="stg" if place == "there" else None, nowhere=place == "nowhere")
        notified.state = replace(notified.state, canaries=(*notified.state.canaries, found))
        notified.tick()
    return notified


def test_traces_that_are_nowhere_clear_the_wrong_environment_and_are_losses() -> None:
    """After two of them: what they are lost to is not where the others went."""
    assert F.TRACE_MISSING not in misrouted("there", "there", "there").confirmed
    one = misrouted("there", "there", "nowhere")
    assert (one.name, one.confirmed & {F.TRACE_MISSING}) == (F.WRONG_ENVIRONMENT, set())
    two = misrouted("there", "there", "nowhere", "nowhere")
    assert F.WRONG_ENVIRONMENT not in two.confirmed
    assert two.name is F.TRACE_MISSING


def test_a_trace_that_is_nowhere_is_still_excused_by_what_else_explains_it() -> None:
    """The exporter is off besides; and right after a change nobody is accused."""
    notified = misrouted("nowhere", "nowhere")
    assert [canary.excused for canary in notified.state.canaries] == [False, False]
    notified.state = replace(
        notified.state, outages=(*notified.state.outages, Outage(fault=F.EXPORTER_DISABLED, began_at=START))
    )
    assert [canary.excused for canary in notified.tick().state.canaries] == [True, True]
    assert [canary.excused for canary in changed(misrouted("nowhere", "nowhere"), START).state.canaries] == [True] * 2


# --- gaps ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("letters", "gap"),
    [
        ("AMA", ()),
        ("AMMA", (1, 2)),
        ("MMMA", (0, 1, 2)),
        ("AMM", ()),
        ("AMAMA", ()),
        ("AM?MA", (1, 3)),
        ("AM.MA", ()),
        ("AMM.A", ()),
        ("AMrMA", (1, 3)),
        (".MMA", (1, 2)),
        ("AMMAMMA", (1, 2)),
        ("AMMAMM", (1, 2)),
    ],
)
def test_two_losses_in_a_row_older_than_an_arrival_are_a_gap(letters: str, gap: tuple[int, ...]) -> None:
    """Unless one that is still awaited stands among them: it may make singles of them."""
    assert tuple(int(canary.id[1:]) for canary in transient_loss(series(letters))) == gap


def test_a_gap_is_told_once_as_a_warning_that_is_already_over() -> None:
    """One message that says both, and calls nobody."""
    notified = story("AMMA")
    (gap,) = notified.state.incidents
    assert (gap.opened_at, gap.closed_at, gap.began_at) == (notified.now, notified.now, START + 60)
    assert (gap.diagnosis.fault, gap.diagnosis.severity) == (F.TRACE_MISSING, Severity.WARNING)
    assert gap.diagnosis.trace_ids == (f"{1:032x}", f"{2:032x}")
    assert str(gap.losses) == "2 canaries: 0 arrived in time, 0 late, 2 lost"
    assert notified.turns == ["resolved trace_missing"]
    assert then(notified, "AMMAAAA").turns == ["resolved trace_missing"]


def test_a_second_gap_is_told_too() -> None:
    """It is another one, with an id of its own even in the same second."""
    notified = story("AMMAMMA", arrival=ArrivalCheck(loss_of=(9, 12)))
    notified.tick()
    first, second = notified.state.incidents
    assert first.id != second.id
    assert second.diagnosis.trace_ids == (f"{4:032x}", f"{5:032x}")


def test_a_single_loss_tells_nothing() -> None:
    """It is counted and kept."""
    notified = story("AAMAAA")
    assert notified.turns == []
    assert notified.state.canaries[2].outcome is Outcome.MISSING


def test_a_gap_is_told_although_another_incident_is_open() -> None:
    """That one stays open, and stays the last."""
    notified = story("AA")
    notified.fails(CONFIG, F.CONFIG_DRIFT, conclusive=True, severity=Severity.WARNING)
    then(notified, "AAMMA")
    assert [incident.diagnosis.fault for incident in notified.state.incidents] == [F.TRACE_MISSING, F.CONFIG_DRIFT]
    assert notified.name is F.CONFIG_DRIFT


def test_the_losses_of_an_outage_are_no_gap_besides() -> None:
    """They belong to its incident: while it is open, although one has arrived since, and after it."""
    notified = then(story("AMM"), "AMMA")
    assert notified.turns == ["opened trace_missing"]
    assert then(notified, "AMMAA").turns == ["opened trace_missing", "resolved trace_missing"]
    assert len(then(notified, "AMMAAA").state.incidents) == 1


# --- intermittent losses ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("letters", "lost"),
    [
        ("AMAMA", 0),
        ("AMAMAMA", 3),
        ("MAMAMAAAAAAA", 3),
        ("MAMAMAAAAAAAA", 0),
        ("MAM?A?MAAAAAAA", 3),
        ("MAMLPMAAAAAAA", 0),
    ],
)
def test_three_of_the_last_twelve_are_an_intermittent_loss(letters: str, lost: int) -> None:
    """Only canaries of a known fate are counted."""
    assert len(intermittent(series(letters), (3, 12))) == lost


def test_an_intermittent_loss_is_told_as_what_it_is() -> None:
    """The table's severity, no later arrival contradicts it, and other traces still arrive."""
    notified = story("AMAMAMA")
    active = notified.state.confirmed[F.TRACE_MISSING]
    assert active.suspicion.summary == "intermittent loss: 3 of the last 12 traces did not arrive"
    assert is_intermittent(active)
    assert not active.suspicion.stops_export
    assert notified.diagnosis.severity is Severity.CRITICAL
    assert notified.turns == ["opened trace_missing"]


def test_an_intermittent_loss_resolves_when_the_window_holds_fewer() -> None:
    """Not by two arrivals."""
    notified = story("AMAMAMA")
    for letters, name in (("AMAMAMAAAAAAA", F.TRACE_MISSING), ("AMAMAMAAAAAAAA", None)):
        assert then(notified, letters).name is name
    assert notified.turns == ["opened trace_missing", "resolved trace_missing"]


def test_the_beginning_of_an_intermittent_loss_stays_where_it_was() -> None:
    """Although the window moves on."""
    notified = then(story("AMAMAMA"), "AMAMAMAMAMAMAMA")
    assert notified.state.confirmed[F.TRACE_MISSING].since == START + 60
    assert notified.state.confirmed[F.TRACE_MISSING].suspicion.summary.startswith("intermittent loss: 6 of")


def test_one_loss_more_does_not_make_an_outage_of_an_intermittent_loss() -> None:
    """One missing trace is never conclusive; two with no later arrival are."""
    notified = then(story("AMAMAMA"), "AMAMAMAM")
    assert is_intermittent(notified.state.confirmed[F.TRACE_MISSING])
    then(notified, "AMAMAMAMM")
    assert not is_intermittent(notified.state.confirmed[F.TRACE_MISSING])


def test_the_losses_of_a_resolved_outage_are_never_counted() -> None:
    """Neither as a gap nor as intermittent, also those that are judged after the resolve."""
    notified = then(story("AMMM"), "AMMM.AA")
    assert notified.turns == ["opened trace_missing", "resolved trace_missing"]
    then(notified, "AMMMMAAAMA")
    assert notified.name is None
    assert len(notified.turns) == 2
    assert [canary.excused for canary in notified.state.canaries] == [letter == "M" for letter in "AMMMMAAAMA"]


def test_the_losses_of_an_outage_belong_to_it_even_inside_a_longer_incident() -> None:
    """Although that goes on under another name."""
    notified = then(story("LL"), "LLMMM")
    assert notified.turns == ["opened trace_late", "changed trace_missing"]
    then(notified, "LLMMMLL")
    assert notified.turns[2:] == ["changed trace_late"]
    then(notified, "LLMMMLLAA")
    assert notified.turns[3:] == ["resolved trace_late"]


# --- what excuses a loss ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("sent_after", "ended_after", "excused"),
    [
        (-360, None, False),
        (-359, None, True),
        (0, None, True),
        (9000, None, True),
        (600 + 359, 600, True),
        (600 + 360, 600, False),
    ],
)
def test_losses_belong_to_a_cause_that_was_confirmed_settle_before_or_after(
    sent_after: float, ended_after: float | None, excused: bool
) -> None:
    """`settle` is 6 minutes."""
    ended = START + ended_after if ended_after is not None else None
    notified = Story(now=START + sent_after + 300)
    lost = series("M", began=START + sent_after)
    notified.state = replace(
        notified.state, canaries=lost, outages=(Outage(fault=F.KEY_REJECTED, began_at=START, ended_at=ended),)
    )
    notified.fails(CONTROL, F.KEY_REJECTED, conclusive=True, stops_export=True)
    assert notified.state.canaries[0].excused == excused


@pytest.mark.parametrize(("letter", "excused"), [("M", True), ("L", True), ("-", True), ("P", True), ("A", False)])
def test_everything_bad_is_excused_and_nothing_good(letter: str, excused: bool) -> None:
    """An arrival in time has nothing to be excused for."""
    notified = Story(now=START + 300)
    canary = replace(series(letter)[0], late=letter in "LM-")
    if letter == "P":
        canary = replace(canary, late=True)
    notified.state = replace(
        notified.state, canaries=(canary,), outages=(Outage(fault=F.KEY_REJECTED, began_at=START),)
    )
    assert notified.tick().state.canaries[0].excused == excused


def changed(notified: Story, at: float) -> Story:
    """The configuration changed at a moment."""
    memory = ConfigMemory(seen=ConfigSeen(config=manifest()), changed_at=at)
    notified.state = replace(notified.state, config=memory)
    return notified.tick()


def test_losses_less_than_settle_after_a_change_accuse_nobody() -> None:
    """The exporter caches its configuration for five minutes; neither a row, nor a gap, nor a window counts them."""
    for letters in ("MM", "MMA", "MAMAM"):
        notified = Story(now=START + 600)
        notified.state = replace(notified.state, canaries=series(letters))
        assert changed(notified, START).turns == []


def test_losses_from_settle_after_a_change_accuse() -> None:
    """Sent exactly then, or before the change."""
    for began in (START + 360, START - 120):
        notified = Story(now=began + 400)
        notified.state = replace(notified.state, canaries=series("MM", began=began))
        assert F.TRACE_MISSING in changed(notified, START).confirmed


def test_what_was_excused_by_a_change_stays_excused_after_the_next_one() -> None:
    """A second change an hour later does not make losses of the first."""
    notified = Story(now=START + 700)
    notified.state = replace(notified.state, canaries=series("MMA"))
    changed(notified, START)
    notified.wait(3600)
    assert changed(notified, START + 3600).turns == []


def test_what_the_gateway_never_made_is_excused_by_no_exporter() -> None:
    """Unless the store has proven nothing; and when it is over, its losses belong to the outage like any other."""
    notified = Story(now=START + 400)
    lost = tuple(replace(canary, origin=False, excused=True) for canary in series("MM"))
    notified.state = replace(
        notified.state, canaries=lost, outages=(Outage(fault=F.EXPORTER_DISABLED, began_at=START),)
    )
    assert [canary.excused for canary in notified.tick().state.canaries] == [True, True]
    notified.proven().tick()
    assert [canary.excused for canary in notified.state.canaries] == [False, False]
    assert notified.name is F.TRACE_NOT_CREATED
    notified.state = replace(notified.state, canaries=(*notified.state.canaries, *series("AA", began=START + 120)))
    assert [canary.excused for canary in notified.tick().state.canaries] == [True, True, False, False]
    assert notified.confirmed == set()


def test_bad_labels_less_than_settle_after_a_change_accuse_nobody() -> None:
    """They may be those of the configuration before."""
    notified = Story(now=START + 400)
    notified.state = replace(notified.state, canaries=tuple(replace(one, labels=LEAKING) for one in series("A")))
    assert changed(notified, START).confirmed == set()
    assert changed(notified, START - 360).confirmed == {F.CONTENT_LEAKED}


def test_arrivals_of_before_do_not_clear_what_a_cause_excuses_later() -> None:
    """The losses are passed over, but nothing older than they are speaks for the present."""
    notified = story("AAAMM").wait(-60)
    assert F.TRACE_MISSING in notified.confirmed
    notified.fails(CONTROL, F.KEY_REJECTED, conclusive=True, stops_export=True).tick().tick()
    assert [canary.excused for canary in notified.state.canaries] == [False, False, False, True, True]
    assert notified.confirmed == {F.TRACE_MISSING, F.TRACE_LATE, F.KEY_REJECTED}


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
    notified = Story(now=START + 60)
    first, second = series("..")
    notified.feed(CanaryPlanned(at=second.sent_at, canary=second)).feed(CanaryPlanned(at=first.sent_at, canary=first))
    assert [canary.id for canary in notified.state.canaries] == [first.id, second.id]


def test_an_empty_series_says_nothing() -> None:
    """A fresh start."""
    notified = Story().tick()
    assert (notified.confirmed, notified.state.incidents, notified.events) == (set(), (), [])


@pytest.mark.parametrize(("fail_after", "which"), [(1, "the last one has"), (2, "the last 2 have")])
def test_what_has_not_come_at_all_is_overdue_and_not_late(fail_after: int, which: str) -> None:
    """Whether it is lost is not known yet; nothing has arrived, so nothing arrives late."""
    story = Story(policy(fail_after=fail_after)).proven()
    sent = [story.canary() for _ in range(fail_after)]
    story.wait(180)
    for canary in sent:
        story.see(canary)
    assert story.diagnosis.summary == f"Traces are overdue: {which} not arrived within 3 min"
    assert story.diagnosis.because[0] == f"{which} not arrived within 3 min"
    assert not any("did not come in time" in line for line in story.diagnosis.because)
    assert "missing_after" in story.diagnosis.advice
    story.arrives(sent[0])
    assert story.diagnosis.summary.startswith("Traces arrive late: ")


def test_what_has_come_in_part_is_late() -> None:
    """Some of it arrived."""
    story = Story(policy(fail_after=1)).proven()
    canary = story.canary()
    story.wait(180).see(canary, spans(1)[1:])
    assert story.diagnosis.summary.startswith("Traces arrive late: ")


@pytest.mark.parametrize(
    ("seconds", "text"), [(180, "3 min"), (90, "90 s"), (60, "1 min"), (0.5, "0.5 s"), (3600, "60 min")]
)
def test_a_deadline_is_said_as_it_is_configured(seconds: float, text: str) -> None:
    """Not rounded to minutes."""
    assert length_text(seconds) == text
