"""Targets behind one backend that are affected together: what counts, what is said, who is not mentioned, and what is edited when."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from monitor.core.delivery import WAVE, Retries, corroborations, everything_due, has_mentioned
from monitor.core.incident import MAY_BE_THE_BACKEND, Corroboration, Incident, Notice, Notified, Reason
from monitor.core.model import Fault, Severity, TargetName
from monitor.core.notify import compose, due, record, shown
from monitor.core.state import Policy, TargetState
from tests.core.build import MINUTE, POLICY
from tests.core.notified import diagnosis, incident
from tests.fakes.clock import START

TRACELOOP = replace(POLICY, backend_url="https://api.traceloop.com")
ELSEWHERE = replace(POLICY, backend_url="https://traceloop.example.com")


def an_incident(name: str, fault: Fault = Fault.INGEST_FAILING, *, after: float = 0.0, **more: Any) -> Incident:
    """Critical, opened so many minutes after START."""
    return replace(
        incident(),
        id=f"{name}-1",
        target=TargetName(name),
        opened_at=START + after * MINUTE,
        diagnosis=replace(diagnosis(), fault=fault, severity=Severity.CRITICAL, **more),
    )


def targets(*incidents: Incident, healthy: int = 0, policy: Policy = TRACELOOP) -> list[tuple[TargetState, Policy]]:
    """A target for each, and healthy ones besides."""
    states = [TargetState(target=one.target, incidents=(one,)) for one in incidents]
    states += [TargetState(target=TargetName(f"healthy-{number}")) for number in range(healthy)]
    return [(state, policy) for state in states]


def mentioned(one: Incident, at: float) -> Incident:
    """The same after it mentioned somebody, so many minutes after START."""
    notified = Notified(
        reason=Reason.OPENED,
        fault=one.diagnosis.fault,
        severity=Severity.CRITICAL,
        at=START + at * MINUTE,
        mentioned_at=START + at * MINUTE,
    )
    return replace(one, notified={"slack": notified})


def same_people(_: TargetName) -> str:
    """One channel and one mention for all."""
    return "C1"


# --- what counts, and what is said


def test_a_target_that_was_removed_does_not_count() -> None:
    """It is remembered for a day, and nobody looks at it any more."""
    known = targets(an_incident("a"), an_incident("b", after=1), healthy=1)
    gone = (replace(known[-1][0], removed_at=START), TRACELOOP)
    assert {str(one) for one in corroborations(known).values()} == {"2 of 3 targets behind this Traceloop are affected"}
    assert {one.of for one in corroborations([*known[:-1], gone]).values()} == {2}


def test_it_is_said_how_many_of_how_many_and_which() -> None:
    """In the order of opening; each of them says the same, and names of a loss may differ."""
    first, second = an_incident("prod"), an_incident("eu", Fault.EXPORT_FAILING, after=2)
    third = an_incident("us", Fault.TRACE_MISSING, after=1)
    found = corroborations(targets(second, first, third, healthy=1))
    assert found.keys() == {"prod-1", "us-1", "eu-1"}
    (said,) = set(found.values())
    assert str(said) == "3 of 4 targets behind this Traceloop are affected"
    assert said.targets == ("prod", "us", "eu")
    assert said.since == START + 2 * MINUTE


def test_one_that_is_alone_is_not_corroborated() -> None:
    """Nor by one behind another backend, or that knows of none; two spellings of a URL are one."""
    assert corroborations(targets(an_incident("prod"), healthy=3)) == {}
    apart = [*targets(an_incident("prod")), *targets(an_incident("eu"), policy=ELSEWHERE)]
    assert corroborations(apart) == {}
    assert corroborations(targets(an_incident("prod"), an_incident("eu"), policy=POLICY)) == {}
    spelled = replace(POLICY, backend_url="HTTPS://API.traceloop.com:443/")
    both = [*targets(an_incident("prod")), *targets(an_incident("eu"), policy=spelled)]
    assert len(corroborations(both)) == 2


@pytest.mark.parametrize("fault", Fault)
def test_what_has_its_cause_before_the_backend_does_not_count(fault: Fault) -> None:
    """As the name of an incident; what is wrong besides counts, and a cause that is fixed does not."""
    other = an_incident("eu")
    assert bool(corroborations(targets(an_incident("prod", fault), other))) is (fault in MAY_BE_THE_BACKEND)
    besides = an_incident("prod", Fault.GATEWAY_UNREACHABLE, also=(fault,))
    assert bool(corroborations(targets(besides, other))) is (fault in MAY_BE_THE_BACKEND)
    waiting = an_incident("prod", fault, waiting="fixed, waiting for traces")
    assert corroborations(targets(waiting, other)) == {}


# --- who is mentioned


def may_mention(
    one: Incident, *others: Incident, at: float = 5.0, key: Callable[[TargetName], str] = same_people
) -> bool:
    """Whether an incident that is due now, in minutes, may mention the people of the others."""
    sharing, now = targets(one, *others), START + at * MINUTE
    due_now = next(each for each in everything_due(sharing, "slack", (), now) if each.incident.id == one.id)
    return not has_mentioned(one, due_now.together, sharing, "slack", key, now)


def test_the_first_mentions_and_the_others_of_its_wave_do_not() -> None:
    """Also minutes after it, where the limit of one mention a minute says nothing any more."""
    first = an_incident("prod")
    assert may_mention(first, an_incident("eu", after=1))
    assert not may_mention(an_incident("eu", after=4), mentioned(first, 0))
    assert not may_mention(an_incident("eu", after=4), mentioned(first, 0), at=WAVE / MINUTE - 0.1)


def test_what_is_no_part_of_the_wave_mentions() -> None:
    """What comes long after the mention, is called by other people, has a cause of its own, or stands beside what is over."""
    first = mentioned(an_incident("prod"), 0)
    later = an_incident("eu", after=4)
    assert may_mention(later, first, at=WAVE / MINUTE)
    assert may_mention(later, first, key=str)
    assert may_mention(an_incident("eu", Fault.CONFIG_DRIFT), first)
    assert may_mention(later, replace(first, closed_at=START + 3 * MINUTE))
    assert may_mention(later, replace(first, notified={"webhook": first.notified["slack"]}))


def test_its_own_mention_does_not_count() -> None:
    """An escalation mentions once more, as the first of its wave."""
    escalates = mentioned(an_incident("prod"), 0)
    assert may_mention(escalates, an_incident("eu", after=1), at=31)


# --- what a message shows, and when it is edited


def together(*names: str, after: float = 0.0) -> Corroboration:
    """Of ten, the newest since so many minutes after START."""
    return Corroboration(
        backend="Traceloop", targets=tuple(map(TargetName, names)), of=10, since=START + after * MINUTE
    )


def notified_of(found: Corroboration | None) -> Notified:
    """What Slack knows of an incident that was notified with it."""
    due_now = Notice(reason=Reason.OPENED, incident=an_incident("prod"), at=START, together=found)
    notice = compose(due_now, may_mention=True, labels={}, now=START)
    assert notice.together is found
    return record(notice, {})


def edited(known: Notified, now_is: Corroboration | None, *, at: float, silenced: float | None = None) -> bool:
    """Whether the message is edited so many minutes after START."""
    reason = due(
        an_incident("prod"), known, silenced_until=silenced, policy=POLICY, now=START + at * MINUTE, together=now_is
    )
    assert reason in (None, Reason.EDITED)
    return reason is Reason.EDITED


def test_a_message_is_edited_once_no_more_of_them_join() -> None:
    """Not for each that joins: fifty targets would make more than a thousand edits. A minute later it shows the number."""
    two, three = together("prod", "eu"), together("prod", "eu", "us", after=2)
    assert not edited(notified_of(two), two, at=5)
    assert not edited(notified_of(two), three, at=2.9)
    assert edited(notified_of(two), three, at=3)
    assert not edited(notified_of(three), three, at=3)
    assert edited(notified_of(two), None, at=3)
    assert edited(notified_of(None), two, at=3)


def test_another_edit_is_not_put_off() -> None:
    """A silence that begins is shown at once, also while more join."""
    until = START + 60 * MINUTE
    assert edited(notified_of(together("prod", "eu")), together("prod", "eu"), at=0.1, silenced=until)
    assert shown(an_incident("prod"), None, together("prod")) != shown(an_incident("prod"), None)


def test_news_go_before_edits() -> None:
    """Of an older incident too: the sixth target is not made to wait for five edits."""
    edit = Notice(reason=Reason.EDITED, incident=an_incident("prod"), at=START, notified=notified_of(None))
    news = Notice(reason=Reason.OPENED, incident=an_incident("eu", after=1), at=START)
    assert Retries().next([edit, news], 0.0) is news
    assert Retries().next([edit], 0.0) is edit
