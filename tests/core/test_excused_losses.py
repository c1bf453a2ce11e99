"""What excuses a loss: a known cause, or a change of the configuration a short while before."""

from dataclasses import replace

import pytest

from monitor.core.config_memory import ConfigMemory, ConfigSeen
from monitor.core.state import Outage
from tests.core.build import CONTROL, F, Story, manifest
from tests.core.test_streaks_of_traces import LEAKING, misrouted, series, story
from tests.fakes.clock import START


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
    target = Story(now=START + sent_after + 300)
    lost = series("M", began=START + sent_after)
    target.state = replace(
        target.state, canaries=lost, outages=(Outage(fault=F.KEY_REJECTED, began_at=START, ended_at=ended),)
    )
    target.fails(CONTROL, F.KEY_REJECTED, conclusive=True, stops_export=True)
    assert target.state.canaries[0].excused == excused


@pytest.mark.parametrize(("letter", "excused"), [("M", True), ("L", True), ("-", True), ("P", True), ("A", False)])
def test_everything_bad_is_excused_and_nothing_good(letter: str, excused: bool) -> None:
    """An arrival in time has nothing to be excused for."""
    target = Story(now=START + 300)
    canary = replace(series(letter)[0], late=letter in "LM-")
    if letter == "P":
        canary = replace(canary, late=True)
    target.state = replace(target.state, canaries=(canary,), outages=(Outage(fault=F.KEY_REJECTED, began_at=START),))
    assert target.tick().state.canaries[0].excused == excused


def changed(target: Story, at: float) -> Story:
    """The configuration changed at a moment."""
    memory = ConfigMemory(seen=ConfigSeen(config=manifest()), changed_at=at)
    target.state = replace(target.state, config=memory)
    return target.tick()


def test_losses_less_than_settle_after_a_change_accuse_nobody() -> None:
    """The exporter caches its configuration for five minutes; neither a row, nor a gap, nor a window counts them."""
    for letters in ("MM", "MMA", "MAMAM"):
        target = Story(now=START + 600)
        target.state = replace(target.state, canaries=series(letters))
        assert changed(target, START).turns == []


def test_losses_from_settle_after_a_change_accuse() -> None:
    """Sent exactly then, or before the change."""
    for began in (START + 360, START - 120):
        target = Story(now=began + 400)
        target.state = replace(target.state, canaries=series("MM", began=began))
        assert F.TRACE_MISSING in changed(target, START).confirmed


def test_what_was_excused_by_a_change_stays_excused_after_the_next_one() -> None:
    """A second change an hour later does not make losses of the first."""
    target = Story(now=START + 700)
    target.state = replace(target.state, canaries=series("MMA"))
    changed(target, START)
    target.wait(3600)
    assert changed(target, START + 3600).turns == []


def test_what_the_gateway_never_made_is_excused_by_no_exporter() -> None:
    """Unless the store has proven nothing; and when it is over, its losses belong to the outage like any other."""
    target = Story(now=START + 400)
    lost = tuple(replace(canary, origin=False, excused=True) for canary in series("MM"))
    target.state = replace(target.state, canaries=lost, outages=(Outage(fault=F.EXPORTER_DISABLED, began_at=START),))
    assert [canary.excused for canary in target.tick().state.canaries] == [True, True]
    target.proven().tick()
    assert [canary.excused for canary in target.state.canaries] == [False, False]
    assert target.name is F.TRACE_NOT_CREATED
    target.state = replace(target.state, canaries=(*target.state.canaries, *series("AA", began=START + 120)))
    assert [canary.excused for canary in target.tick().state.canaries] == [True, True, False, False]
    assert target.confirmed == set()


def test_bad_labels_less_than_settle_after_a_change_accuse_nobody() -> None:
    """They may be those of the configuration before."""
    target = Story(now=START + 400)
    target.state = replace(target.state, canaries=tuple(replace(one, labels=LEAKING) for one in series("A")))
    assert changed(target, START).confirmed == set()
    assert changed(target, START - 360).confirmed == {F.CONTENT_LEAKED}


def test_arrivals_of_before_do_not_clear_what_a_cause_excuses_later() -> None:
    """The losses are passed over, but nothing older than they are says how it is now."""
    target = story("AAAMM").wait(-60)
    assert F.TRACE_MISSING in target.confirmed
    target.fails(CONTROL, F.KEY_REJECTED, conclusive=True, stops_export=True).tick().tick()
    assert [canary.excused for canary in target.state.canaries] == [False, False, False, True, True]
    assert target.confirmed == {F.TRACE_MISSING, F.TRACE_LATE, F.KEY_REJECTED}


def test_a_trace_that_is_nowhere_is_still_excused_by_what_else_explains_it() -> None:
    """The exporter is off besides; and right after a change nobody is accused."""
    target = misrouted("nowhere", "nowhere")
    assert [canary.excused for canary in target.state.canaries] == [False, False]
    target.state = replace(
        target.state, outages=(*target.state.outages, Outage(fault=F.EXPORTER_DISABLED, began_at=START))
    )
    assert [canary.excused for canary in target.tick().state.canaries] == [True, True]
    assert [canary.excused for canary in changed(misrouted("nowhere", "nowhere"), START).state.canaries] == [True] * 2
