"""Whole stories of traces that are lost, late or astray: what Slack received, and how it is put right afterwards."""

import re

import pytest

from monitor.core.canary import Outcome
from monitor.core.incident import Reason
from monitor.core.model import Fault
from monitor.core.text import length_text
from monitor.sandbox import Variant
from tests.sampling import sample
from tests.scenarios.house import HOUR, MINUTE, House, house


async def lose(home: House, canaries: int) -> None:
    """Let the exporter lose the traces of the next canaries."""
    await home.break_("export_failing")
    for _ in range(canaries):
        await home.until_sent()
    await home.fix()


async def test_one_loss_notifies_nobody() -> None:
    """It is counted; a later arrival has overtaken it."""
    async with house() as home:
        await home.settle_in()
        await lose(home, 1)
        await home.advance(10 * MINUTE)
        assert home.outcomes.count("missing") == 1
        assert home.notified == []


async def test_two_losses_in_a_row_are_reported_once_when_they_are_over() -> None:
    """One message that says both, a warning, without a mention."""
    async with house() as home:
        await home.settle_in()
        await lose(home, 2)
        await home.advance(30 * MINUTE)
        assert home.outcomes.count("missing") == 2
        assert home.story == [("resolved", "trace_missing")]
        (message,) = home.messages
        assert "resolved" in message.text.partition("\n")[0]
        assert home.calls == []


async def test_three_losses_of_twelve_settle_until_the_window_holds_fewer() -> None:
    """Intermittent loss: arrivals between the losses do not resolve it."""
    async with house() as home:
        await home.settle_in()
        await home.break_("trace_missing_some")
        await home.until_called(limit=1.5 * HOUR)
        assert home.incident is not None
        said = "Some traces are lost between TrueFoundry and Traceloop. 3 of the last 12 traces did not arrive, the others did."
        assert home.incident.diagnosis.summary.startswith(said)
        await home.fix()
        arrivals = home.outcomes.count("arrived")
        await home.until_resolved(HOUR)
        assert home.outcomes.count("arrived") - arrivals > 2
        assert home.incidents[-1].reason is Reason.RESOLVED


@pytest.mark.thorough
async def test_a_trace_that_was_given_up_is_found_again() -> None:
    """Found after it was counted missing it counts as recovered, and the resolve says that it was late."""
    async with house() as home:
        await home.settle_in()
        await home.break_("trace_late", seconds=6 * MINUTE)
        await home.until_called()
        await home.fix()
        await home.until_resolved()
        await home.advance(0)
        assert "recovered" in home.outcomes
        losses = home.state.incidents[-1].losses
        assert losses is not None
        assert losses.late > 0
        assert (
            f"{losses.late} arrived late (after up to {length_text(losses.longest_delay or 0.0)})" in home.roots[0].text
        )


@pytest.mark.thorough
async def test_root_and_broadcast_resolve_say_the_same_of_what_was_lost() -> None:
    """What was counted lost at the resolve and comes after it is late in both: the channel shows the two beside each other."""
    async with house() as home:
        await home.settle_in()
        await home.break_("trace_late", seconds=20 * MINUTE)
        await home.until_called()
        await home.fix()
        await home.until_resolved()
        await home.advance(0)
        (root,) = home.roots
        before = root.text
        await home.advance(30 * MINUTE)
        losses = str(home.state.incidents[-1].losses)
        end = home.sandbox.world.slack.thread(root)[-1]
        assert root.text != before
        assert end.broadcast
        assert losses[1:] in root.text
        assert losses[1:] in end.text


async def test_the_count_is_so_far_until_every_canary_is_judged() -> None:
    """What was sent shortly before the end is not known yet at the resolve: root and reply say so, and both say how it ended."""
    async with house() as home:
        await home.settle_in()
        await home.break_("export_failing")
        await home.until_called()
        await home.advance(5 * MINUTE)
        await home.fix()
        await home.until_resolved()
        await home.advance(0)
        (root,) = home.roots
        end = home.sandbox.world.slack.thread(root)[-1]
        assert end.broadcast
        first = home.state.incidents[-1].losses
        assert first is not None
        assert first.pending > 0
        for message in (root, end):
            assert f"So far {first}." in message.text
        await home.advance(15 * MINUTE)
        settled = home.state.incidents[-1].losses
        assert settled is not None
        assert (settled.pending, settled.lost) == (0, first.lost + first.pending)
        for message in (root, end):
            assert "So far" not in message.text
            assert f"{settled}." in message.text


@pytest.mark.parametrize("masked", sample(["reference", "literal", "masked", "absent"], every=4))
@pytest.mark.parametrize(
    "words",
    sample(
        [{}, {"trace_scope": "project"}, {"trace_route": "404"}, {"feedback": "absent", "traceparent": "honoured"}],
        every=4,
    ),
)
@pytest.mark.thorough
async def test_the_key_of_another_environment(words: dict[str, str], masked: str) -> None:
    """Read literally it is a drift that says so at once; where values are masked the traces themselves show where they went."""
    async with house(Variant().vary({**words, "header_values": masked})) as home:
        await home.advance(6 * MINUTE)
        await home.break_("wrong_environment")
        await home.until_called(limit=11 * MINUTE)
        await home.advance(0)
        assert home.incident is not None
        if masked == "literal":
            assert home.incident.diagnosis.fault is Fault.CONFIG_DRIFT
        else:
            assert home.incident.diagnosis.fault is Fault.WRONG_ENVIRONMENT
            assert "Traces go to stg instead of prd" in home.roots[0].text
        await home.advance(10 * MINUTE)
        await home.fix()
        await home.advance(75)
        assert "fixed, waiting for traces" in home.roots[0].text.partition("\n")[0]
        await home.until_resolved(12 * MINUTE)
        await home.advance(0)
        assert not any("still: wrong_environment" in line for line in home.thread(home.roots[0]))
        losses = home.state.incidents[-1].losses
        assert losses is not None
        ((where, count),) = losses.elsewhere
        assert (where, losses.lost) == ("stg", 0)
        assert count > 1
        end = home.messages[-1]
        assert end.broadcast
        for message in (home.roots[0], end):
            assert f"{count} went to stg and are not lost" in message.text
            assert re.search(r"\d lost|Lost, the newest", message.text) is None


@pytest.mark.thorough
async def test_a_masked_key_is_changed_to_a_dead_one() -> None:
    """Nothing can be compared, and our own key is good: the traces are made, Traceloop is well, and they get lost in between."""
    async with house(Variant().vary({"header_values": "masked"})) as home:
        await home.settle_in()
        await home.break_("config_drift_key")
        await home.until_called(limit=16 * MINUTE)
        assert home.incident is not None
        assert home.incident.diagnosis.fault is Fault.EXPORT_FAILING
        await home.fix()
        await home.until_resolved(12 * MINUTE)


@pytest.mark.thorough
async def test_the_wrong_environment_is_not_held_against_what_is_lost_later() -> None:
    """The key is put right by a dead one: the traces are in no environment any more, and the incident says where they get lost."""
    async with house(Variant().vary({"header_values": "masked"})) as home:
        await home.settle_in()
        await home.break_("wrong_environment")
        await home.until_called(limit=11 * MINUTE)
        await home.break_("export_failing")
        await home.fix("wrong_environment")
        await home.until_reported("changed", "export_failing", limit=16 * MINUTE)
        await home.advance(0)
        assert "wrong_environment fixed after" in home.thread(home.roots[0])[-1]
        assert len(home.calls) == 1


async def test_what_is_found_again_is_counted_besides() -> None:
    """The metric counts each canary once, and `recovered` besides."""
    async with house() as home:
        await home.settle_in()
        await home.break_("trace_late", seconds=6 * MINUTE)
        await home.until_called()
        await home.fix()
        await home.until(lambda: "recovered" in home.outcomes)
        await home.advance(5 * MINUTE)
        page = home.metrics.render("", home.view())[0].decode()
        counted = dict(re.findall(r'trace_monitor_traces_total\{outcome="(\w+)",target="demo"\} (\d+)', page))
        judged = sum(int(count) for outcome, count in counted.items() if outcome != "recovered")
        assert int(counted["recovered"]) == home.outcomes.count("recovered") > 0
        assert judged == len([one for one in home.state.canaries if one.outcome is not None])


@pytest.mark.thorough
async def test_a_resolve_names_what_was_lost() -> None:
    """The newest five by their trace ids, the others by number: somebody may want to look them up in TrueFoundry."""
    async with house() as home:
        await home.settle_in()
        await home.break_("export_failing")
        await home.until_called()
        await home.advance(10 * MINUTE)
        await home.fix()
        await home.until_resolved()
        await home.advance(0)
        losses = home.state.incidents[-1].losses
        assert losses is not None
        lost = [one for one in home.state.canaries if one.outcome is Outcome.MISSING]
        assert losses.lost_ids == tuple(one.trace_id for one in lost[:-6:-1])
        reply = home.messages[-1].text
        assert all(trace_id in reply for trace_id in losses.lost_ids)
        assert f"and {losses.lost - 5} more" in reply


@pytest.mark.thorough
async def test_what_is_found_after_the_resolve_is_written_into_the_message_and_notifies_nobody() -> None:
    """What was held up comes behind what is new: the root is edited, nothing is posted, nobody is called."""
    async with house() as home:
        await home.settle_in()
        await home.break_("trace_late", seconds=15 * MINUTE)
        await home.until_called()
        await home.fix()
        await home.until_resolved()
        await home.advance(0)
        (root,) = home.roots
        notified, calls = len(home.messages), len(home.calls)
        before = home.state.incidents[-1].losses
        assert before is not None
        assert before.lost > 0
        assert root.text.count("Lost, the newest first") == 1
        await home.advance(1.5 * HOUR)
        after = home.state.incidents[-1].losses
        assert after is not None
        assert (after.sent, after.lost, after.unclear) == (before.sent, 0, 0)
        assert after.late >= before.lost
        assert f"{after.late} arrived late (after up to {length_text(after.longest_delay or 0.0)})" in root.text
        assert "Lost" not in root.text
        assert "resolved" in root.text.partition("\n")[0]
        assert (len(home.messages), len(home.calls)) == (notified, calls)
