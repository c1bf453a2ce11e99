"""Whose key is wrong: what a 401 says of the gateway, and what it says of us. Rotation, in either order."""

from dataclasses import replace

import pytest

from monitor.core.canary import Outcome
from monitor.core.config_memory import ConfigSeen, remember, unmask_removal
from monitor.core.drift import AUTHORIZATION, ENDPOINT, HEADERS, ExportConfig, SameSecret, compare
from monitor.core.events import KeyJudged
from monitor.core.key import judge_refused_key, key_is_refused, refute_headers, refuted_headers
from monitor.core.model import Severity, UnknownReason, failing
from monitor.core.secret import HIDDEN, describe_secret
from monitor.core.trace import LabelJudgement, Route
from tests.core.build import (
    ARRIVAL,
    HOUR,
    MINUTE,
    OFF,
    OURS,
    THEIRS,
    F,
    Story,
    a_charge,
    blind,
    expectation,
    manifest,
    policy,
    spans,
)
from tests.fakes.clock import START

REJECTED, DRIFT = F.KEY_REJECTED, F.CONFIG_DRIFT


def refused(story: Story) -> Story:
    """The read API refuses our key once."""
    return story.cannot_see(None, key_refused=True)


@pytest.mark.parametrize(
    ("config", "conclusive"),
    [
        (manifest(), True),
        (manifest(key='"Bearer tl_ours"'), True),
        (manifest(key="****"), False),
        (manifest(key="tfy-secret://a:b:c"), False),
        (manifest(key=None), False),
        (manifest(key="Bearer ${KEY}"), False),
        (OFF, False),
        (None, False),
    ],
    ids=["same", "same in quotes", "masked", "reference", "absent", "placeholder", "off", "never read"],
)
def test_a_401_is_conclusive_only_if_the_gateway_is_known_to_carry_the_same_key(
    config: ExportConfig | None, conclusive: bool
) -> None:
    """Read literally; else it takes `fail_after`, and the text says so."""
    story = Story()
    if config is not None:
        story.config(config)
    refused(story)
    assert (REJECTED in story.confirmed) == conclusive
    suspicion = judge_refused_key(story.state, story.policy, "the read API")
    assert suspicion is not None
    assert suspicion.summary == "the read API answers HTTP 401 to the monitor's key"
    assert (suspicion.facts[0] == "the exporter carries the same key") == conclusive
    assert ("the monitor's copy may be the outdated one" in suspicion.facts[0]) == (not conclusive)
    assert REJECTED in refused(story).confirmed


def test_a_header_that_was_read_before_the_401_makes_it_not_conclusive() -> None:
    """A rotation may be under way: the gateway has the new key, and ours has just been revoked."""
    story = refused(Story().config().wait(3))
    assert REJECTED not in story.confirmed
    suspicion = judge_refused_key(story.state, story.policy, "the read API")
    assert suspicion is not None
    assert suspicion.facts == (
        "the exporter carried the same key when it was last read, which was before the rejection",
    )
    assert REJECTED in refused(story.config()).confirmed


@pytest.mark.parametrize("key", [THEIRS, f" {THEIRS} "])
def test_a_401_says_nothing_of_a_gateway_with_another_key(key: str) -> None:
    """Then ours is the outdated one: we just cannot see."""
    story = refused(refused(Story().config(manifest(key=key))))
    assert REJECTED not in story.confirmed
    assert judge_refused_key(story.state, story.policy, "the read API") is None
    last = story.state.check_state(ARRIVAL).last
    assert last is not None
    assert last.result.unknown_reason is UnknownReason.REFUSED


@pytest.mark.parametrize(
    ("refused_at", "accepted_at", "is_refused"),
    [
        (None, None, False),
        (None, 5.0, False),
        (5.0, None, True),
        (5.0, 4.0, True),
        (4.0, 5.0, False),
        (5.0, 5.0, False),
    ],
)
def test_the_newest_answer_says_whether_our_key_is_refused(
    refused_at: float | None, accepted_at: float | None, is_refused: bool
) -> None:
    """Of any documented route."""
    story = Story()
    for moment, accepted in ((refused_at, False), (accepted_at, True)):
        if moment is not None:
            story.now = moment
            story.key_tried(accepted=accepted)
    assert key_is_refused(story.state) == is_refused


def test_one_lost_trace_and_one_401_are_no_row() -> None:
    """Whether a trace came and whether the key is good are two questions."""
    story = Story().proven()
    lost = story.canary()
    story.wait(300).see(lost)
    assert story.known(lost).outcome is Outcome.MISSING
    assert refused(story).confirmed == set()


def test_two_401s_leave_what_the_series_has_confirmed() -> None:
    """They neither saw a trace nor missed one."""
    story = Story().proven()
    for canary in [story.canary(), story.canary()]:
        story.now = START + 300
        story.see(canary)
    before = story.state.confirmed[F.TRACE_MISSING]
    refused(refused(refused(story.wait(60))))
    assert story.state.confirmed[F.TRACE_MISSING] == before
    assert REJECTED in story.confirmed


@pytest.mark.parametrize("route", [Route.WAREHOUSE, Route.NONCE])
def test_documented_reads_that_succeed_clear_a_rejected_key(route: Route) -> None:
    """Two of them, also if they show no trace."""
    story = refused(Story().config())
    canary = story.canary()
    story.see(canary, route=route)
    assert REJECTED in story.confirmed
    assert REJECTED not in story.see(canary, route=route).confirmed
    assert story.state.recovery is not None


def test_a_documented_read_between_two_401s_begins_the_row_anew() -> None:
    """In a row means in a row."""
    story = refused(Story())
    story.see(story.canary(), route=Route.WAREHOUSE)
    assert refused(story).confirmed == set()
    assert refused(story).confirmed == {REJECTED}


def test_the_quick_route_says_nothing_of_the_key() -> None:
    """It is not documented: its silence proves nothing."""
    story = refused(Story().config())
    canary = story.canary()
    story.see(canary).see(canary)
    assert REJECTED in story.confirmed


def test_trying_the_key_counts_as_a_documented_read() -> None:
    """In either direction."""
    story = refused(Story().config()).key_tried(accepted=True).key_tried(accepted=True)
    assert story.confirmed == set()
    assert key_is_refused(story.key_tried(accepted=False).state) is False
    assert key_is_refused(story.wait(1).key_tried(accepted=False).state) is True


def test_that_the_key_is_refused_or_accepted_again_is_announced_once() -> None:
    """Whatever reported it; each further answer of the same kind is no news."""
    story = refused(refused(Story())).key_tried(accepted=True).key_tried(accepted=True)
    said = [(event.at, event.refused) for event in story.events if isinstance(event, KeyJudged)]
    assert [was_refused for _, was_refused in said] == [True, False]
    assert said[0][0] < said[1][0] or said[0][0] == said[1][0] == story.now


# --- the control span ------------------------------------------------------------------------------------------------


def test_the_otlp_endpoint_refuses_the_key() -> None:
    """The same rules: at once if the gateway carries the same key, after two otherwise."""
    known = Story().config()
    known.control(blind(UnknownReason.REFUSED), key_refused=True)
    assert known.confirmed == {REJECTED}
    assert known.diagnosis.because[0] == "Traceloop's OTLP endpoint answers HTTP 401 to the monitor's key"
    unknown = Story()
    for confirmed in (set(), {REJECTED}):
        unknown.control(blind(UnknownReason.REFUSED), key_refused=True)
        assert unknown.confirmed == confirmed


def test_what_the_otlp_endpoint_refused_is_cleared_by_the_control_span_alone() -> None:
    """That the read API takes the key says nothing of the endpoint that the exporter posts to."""
    story = Story().config()
    story.control(blind(UnknownReason.REFUSED), key_refused=True)
    canary = story.canary()
    story.see(canary, route=Route.WAREHOUSE).see(canary, route=Route.WAREHOUSE)
    assert REJECTED in story.confirmed
    for _ in range(2):
        story.control_seen(story.control(), shown=True)
    assert REJECTED not in story.confirmed


def test_a_control_span_without_an_answer_says_nothing_of_the_key() -> None:
    """Asked to wait, or stopped on the way: a key that was refused is refused still."""
    story = Story().key_tried(accepted=False).wait(1)
    story.control(blind(UnknownReason.REFUSED))
    assert key_is_refused(story.state)
    story.control()
    assert not key_is_refused(story.state)


def test_a_key_explains_an_ingest_that_fails() -> None:
    """Both are about Traceloop; the key is the cause."""
    story = Story().config()
    story.control(failing(a_charge(F.INGEST_FAILING, conclusive=True, stops_export=True)))
    refused(story)
    assert (story.name, story.diagnosis.explained) == (REJECTED, (F.INGEST_FAILING,))


# --- rotation --------------------------------------------------------------------------------------------------------


def test_rotation_with_the_old_key_refused_first() -> None:
    """key_rejected, critical; then the gateway gets its new key: config_drift, warning, arrival unknown."""
    story = refused(Story().config())
    story.control(blind(UnknownReason.REFUSED), key_refused=True)
    assert (story.name, story.diagnosis.severity) == (REJECTED, Severity.CRITICAL)
    story.wait(MINUTE).key_tried(accepted=False).config(manifest(key=THEIRS), by="ana")
    assert story.confirmed == {DRIFT}
    assert (story.name, story.diagnosis.severity, story.diagnosis.also) == (DRIFT, Severity.WARNING, ())
    assert story.diagnosis.title == "The Traceloop key was probably rotated, and the monitor has the old one"
    assert "Traceloop refuses the monitor's own key" in story.diagnosis.because
    assert story.diagnosis.advice.startswith("Give the monitor the key that the exporter carries now")
    refused(refused(story))
    story.control(blind(UnknownReason.REFUSED), key_refused=True)
    assert story.confirmed == {DRIFT}


def test_rotation_with_the_gateway_first() -> None:
    """config_drift, critical: another key while ours is good; then ours is refused: the same, a warning."""
    story = Story().key_tried(accepted=True).wait(1).config(manifest(key=THEIRS))
    assert (story.name, story.diagnosis.severity) == (DRIFT, Severity.CRITICAL)
    story.wait(MINUTE).key_tried(accepted=False).config(manifest(key=THEIRS))
    assert (story.name, story.diagnosis.severity) == (DRIFT, Severity.WARNING)
    assert refused(refused(story)).confirmed == {DRIFT}
    assert story.turns == ["opened config_drift", "changed config_drift"]


def test_a_rotation_is_over_when_the_monitor_has_the_new_key() -> None:
    """The gateway's configuration has not changed, so no canary needs to wait for settle."""
    story = refused(Story().config()).wait(MINUTE).key_tried(accepted=False).config(manifest(key=THEIRS))
    story.wait(10 * MINUTE)
    changed_at = story.state.config.changed_at if story.state.config is not None else None
    story.policy = policy(expected=expectation(THEIRS), credential="theirs")
    story.config(manifest(key=THEIRS, expected=THEIRS))
    assert story.state.config is not None
    assert story.state.config.changed_at == changed_at
    story.arrives(story.canary()).arrives(story.canary())
    assert story.name is None


def test_another_key_and_another_endpoint_are_no_rotation() -> None:
    """Something else stops the export besides."""
    story = Story().key_tried(accepted=False).config(manifest({ENDPOINT: "https://x.example"}, key=THEIRS))
    assert story.diagnosis.severity is Severity.CRITICAL


def test_a_proof_is_bound_to_the_key_that_made_it() -> None:
    """With another key the routes have to prove themselves again."""
    story = Story().proven()
    story.policy = policy(expected=expectation(THEIRS), credential="theirs")
    lost = story.canary()
    story.wait(300).see(lost)
    assert story.known(lost).outcome is Outcome.UNKNOWN
    story.arrives(story.canary())
    late = story.canary()
    story.wait(300).see(late)
    assert story.known(late).outcome is Outcome.MISSING


def test_our_key_is_never_shown() -> None:
    """Neither in what is remembered nor in what is reported."""
    story = refused(refused(Story().config(manifest(key=THEIRS)).config()))
    story.see(story.canary(), spans(1))
    for text in (repr(story.state), repr(story.events), repr(story.diagnosis)):
        assert OURS.removeprefix("Bearer ") not in text
        assert THEIRS.removeprefix("Bearer ") not in text


# --- what is shown otherwise than it is in use ------------------------------------------------------------------------

HASHED = manifest(key="Bearer 5f4dcc3b5aa765d61d8327deb882cf99")


def read(story: Story, config: ExportConfig) -> ConfigSeen:
    """What a look at the configuration makes of it."""
    seen = ConfigSeen(config=config, updated_at=START - HOUR)
    unmasked = unmask_removal(story.state.config, seen)
    return refute_headers(unmasked, seen, story.state, story.policy, story.now)


def arrivals(story: Story, count: int = 2) -> Story:
    """So many canaries arrive."""
    for _ in range(count):
        story.arrives(story.canary())
    return story


def test_a_header_that_would_have_stopped_the_export_is_refuted_by_traces_that_arrive() -> None:
    """A hash looks like another key: it is shown otherwise than it is in use, and cannot be compared."""
    story = Story().config(HASHED, updated_at=START - HOUR)
    assert read(story, HASHED).config == HASHED
    arrivals(story, 1)
    assert read(story, HASHED).config == HASHED
    seen = read(arrivals(story, 1), HASHED)
    comparison = compare(story.policy.expected, seen.config)
    assert (comparison.differences, comparison.not_comparable) == ((), (AUTHORIZATION,))
    assert refuted_headers(seen, story.policy.expected) == (AUTHORIZATION,)
    assert remember(story.state.config, seen, story.now).changed_at == START - HOUR  # it is no change to doubt a value


def test_every_other_header_is_doubted_with_it() -> None:
    """Who masks one masks all."""
    path = f"{HEADERS}.x-team"
    rules = {**expectation().rules, path: SameSecret("12345678")}
    story = Story(policy=policy(expected=replace(expectation(), rules=rules)))
    both = manifest({path: describe_secret("5f4dcc3b5aa765d6", expected="ml", key=b"k")}, key=THEIRS)
    seen = read(arrivals(story.config(both, updated_at=START - HOUR)), both)
    assert refuted_headers(seen, story.policy.expected) == (AUTHORIZATION, path)
    assert not compare(story.policy.expected, seen.config).differences


def test_headers_that_are_not_shown_any_more_are_not_gone_while_traces_arrive() -> None:
    """The token may see less than before: that is no change of the gateway's."""
    hidden = manifest({AUTHORIZATION: HIDDEN})
    story = Story().config(updated_at=START - HOUR)
    assert compare(story.policy.expected, read(story, hidden).config).stops_export
    story.config(read(story, hidden).config).wait(6 * MINUTE)
    arrivals(story)
    for _ in range(2):
        seen = read(story, hidden)
        assert compare(story.policy.expected, seen.config).not_comparable == (AUTHORIZATION,)
        story.config(seen.config).wait(MINUTE)


@pytest.mark.parametrize(
    "config",
    [manifest(key=None), manifest({ENDPOINT: "https://x.example"}, key=THEIRS), OFF],
    ids=["no header", "another endpoint", "off"],
)
def test_only_the_value_of_a_header_is_refuted(config: ExportConfig) -> None:
    """Everything else is shown as it is: then traces arrive by another way."""
    story = arrivals(Story().config(config, updated_at=START - HOUR))
    assert read(story, config).config == config


def test_only_what_arrives_here_after_the_change_and_settle_refutes() -> None:
    """The exporter may still use what it had; a trace elsewhere proves that the key is another one; losses end it."""
    story = arrivals(Story().config().wait(HOUR))
    story.config(HASHED)
    assert read(story, HASHED).config == HASHED
    assert read(arrivals(story), HASHED).config == HASHED
    story.wait(6 * MINUTE)
    strays = arrivals(story).state.canaries
    assert read(story, HASHED).config != HASHED
    labels = LabelJudgement(environment="stg")
    story.state = replace(story.state, canaries=tuple(replace(one, labels=labels) for one in strays))
    assert read(story, HASHED).config == HASHED
    lost = tuple(replace(one, outcome=Outcome.MISSING, labels=None) for one in strays[-2:])
    story.state = replace(story.state, canaries=(*strays, *lost))
    assert read(story, HASHED).config == HASHED


def test_a_401_is_not_called_our_own_where_the_header_is_in_doubt() -> None:
    """What is shown says nothing of which key the gateway has: after `fail_after`, and the text says so."""
    story = arrivals(Story().config(HASHED, updated_at=START - HOUR))
    story.config(read(story, HASHED).config, updated_at=START - HOUR)
    assert REJECTED not in refused(story).confirmed
    assert REJECTED in refused(story).confirmed
