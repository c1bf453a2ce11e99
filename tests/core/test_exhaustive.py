"""Every sequence of verdicts and deliveries up to a length: what is reported is what is true, and nothing is lost."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import count

import pytest

from monitor.core.incident import Reason
from monitor.core.model import CheckName, Severity
from tests.core.build import GATEWAY, F, Story, policy
from tests.core.reader import Reader

ALONE = tuple(check for check in CheckName if check is not CheckName.GATEWAY)
DOWN, REFUSED = F.GATEWAY_UNREACHABLE, F.GATEWAY_REFUSED


@dataclass(frozen=True)
class World:
    """A moment in a sequence."""

    story: Story
    reader: Reader
    path: str = ""

    def after(self, step: str, *, delivered: bool) -> "World":
        """A verdict, five seconds later, and a delivery that works or not."""
        story = replace(self.story, now=self.story.now + 5, events=list(self.story.events), numbers=count())
        match step:
            case "p":
                story.passes(GATEWAY)
            case "u":
                story.is_blind(GATEWAY)
            case _:
                story.fails(GATEWAY, DOWN if step == "f" else REFUSED)
        reader = self.reader.is_brought_up_to_date(story) if delivered else self.reader
        world = World(story, reader, self.path + (step.upper() if delivered else step))
        world.check(delivered=delivered)
        return world

    def check(self, *, delivered: bool) -> None:
        """The promises that hold after every step."""
        self._one_life_each()
        self._no_resolve_is_lost()
        if delivered:
            self._what_is_notified_is_true()

    def _one_life_each(self) -> None:
        """An incident is opened once and resolved once, in turns; at most one is open, the last."""
        turns = [turn.split()[0] for turn in self.story.turns]
        lives = [turn for turn in turns if turn != "changed"]
        assert lives == [("opened", "resolved")[place % 2] for place in range(len(lives))], self.path
        assert (lives[-1:] == ["opened"]) == (self.story.state.incident is not None), self.path
        assert all(not incident.open for incident in self.story.state.incidents[:-1]), self.path

    def _no_resolve_is_lost(self) -> None:
        """Whatever the reader believes open and is over is due to be resolved."""
        over = {incident.id for incident, reason in self.reader.due(self.story) if reason is Reason.RESOLVED}
        open_now = {incident.id for incident in self.story.state.incidents if incident.open}
        assert set(self.reader.believes) <= over | open_now, self.path

    def _what_is_notified_is_true(self) -> None:
        """After one successful delivery the reader believes exactly what is true."""
        truth = {
            incident.id: (incident.diagnosis.fault, incident.diagnosis.severity)
            for incident in self.story.state.incidents
            if incident.open
        }
        assert self.reader.believes == truth, self.path
        assert self.reader.due(self.story) == [], self.path


def every(steps: str, length: int, start: World) -> Iterator[World]:
    """Every world that can be reached, depth first."""
    stack = [start]
    while stack:
        world = stack.pop()
        yield world
        if len(world.path) < length:
            stack.extend(world.after(step, delivered=delivered) for step in steps for delivered in (True, False))


@pytest.mark.parametrize(("reopen_within", "looks", "length"), [(1800.0, 2, 4), (1800.0, 1, 4), (0.0, 1, 4)])
def test_every_sequence_of_verdicts_and_deliveries(reopen_within: float, looks: int, length: int) -> None:
    """Pass, fail and unknown, each with a delivery that works or fails."""
    judge = policy(without=ALONE, reopen_within=reopen_within, fail_after=looks, pass_after=looks)
    worlds = list(every("pfu", length, World(Story(judge), Reader())))
    assert len(worlds) == sum(6**steps for steps in range(length + 1))
    assert {Reason.OPENED, Reason.RESOLVED} <= {notice.reason for world in worlds for notice in world.reader.received}


def test_every_sequence_of_two_faults_that_settle_at_once() -> None:
    """One critical, one a warning: opened, changed, turned critical, fallen, resolved, back again.

    What was over and came back before anybody could be notified of either is no news: the message shows it.
    """
    start = World(Story(policy(without=ALONE, fail_after=1, pass_after=1)), Reader())
    worlds = list(every("pfw", 4, start))
    received = {notice.reason for world in worlds for notice in world.reader.received}
    assert received == {Reason.OPENED, Reason.CHANGED, Reason.EDITED, Reason.RESOLVED}
    for world in worlds:
        for notice in world.reader.received:
            critical = notice.incident.diagnosis.severity is Severity.CRITICAL
            assert not notice.mention or (critical and notice.incident.open)


@pytest.mark.parametrize("length", [7])
def test_no_sequence_of_unknown_looks_and_passes_opens_anything_but_blind(length: int) -> None:
    """I could not look is never it is broken."""
    for number in range(2**length):
        story = Story(policy(without=ALONE, blind_after=0.0))
        for place in range(length):
            story = story.is_blind(GATEWAY) if number >> place & 1 else story.passes(GATEWAY)
            assert story.confirmed <= {F.BLIND}


@pytest.mark.parametrize("verdicts", ["fp" * 6, "fup" * 4, "pfp" * 4, "fuuuup" * 2])
def test_one_failure_at_a_time_notifies_nobody(verdicts: str) -> None:
    """A single failure between passes is an opinion."""
    world = World(Story(policy(without=ALONE)), Reader())
    for step in verdicts:
        world = world.after(step, delivered=True)
    assert world.reader.received == ()
