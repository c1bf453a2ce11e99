"""Stories to begin with: a healthy target, and an export that stops and starts."""

from monitor.core.model import Instant, Severity
from monitor.core.notify import trusted
from tests.core.build import GATEWAY, HOUR, MINUTE, F, Story
from tests.fakes.clock import START

MISSING, DISABLED = F.TRACE_MISSING, F.EXPORTER_DISABLED
WARNING, CRITICAL = Severity.WARNING, Severity.CRITICAL


def healthy() -> Story:
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
