"""What the gateway's other configurations mean: a reason behind a confirmed fault, or what a healthy canary does not prove."""

from dataclasses import replace
from typing import Any

import pytest

from monitor.core.arrival import PROOF_LASTS
from monitor.core.canary import Outcome
from monitor.core.diagnosis import diagnose
from monitor.core.drift import ExportConfig, Filter
from monitor.core.gateway_policies import (
    Caller,
    Condition,
    ConditionField,
    GatewayPolicy,
    GatewayPolicyKind,
    GatewayRule,
    LoggingMode,
    Profile,
    likely_destinations,
)
from monitor.core.hints import BELIEVED_FOR, caveats, hints
from monitor.core.inputs import GatewayPoliciesRead, OriginLooked
from monitor.core.model import Fault
from monitor.core.trace import Labels
from tests.core.build import HOUR, Story, manifest, policy, spans
from tests.fakes.clock import START

F = Fault
LOGGING, GLOBAL, ROUTING = GatewayPolicyKind
MODEL = "openai-main/gpt-4o-mini"
PROFILE = Profile(model=MODEL, metadata={"tfy_monitor": "canary"}, nonces=frozenset({"probe_id"}))
POLICY = policy(profile=PROFILE, account="us")
LOSSES = (F.TRACE_NOT_CREATED, F.TRACE_MISSING, F.CONTENT_MISSING)

OURS = Condition(matter=ConditionField.MODEL, inside=(MODEL,))
THEIRS = Condition(matter=ConditionField.MODEL, inside=("other/model",))
A_TEAM = Condition(matter=ConditionField.SUBJECT, inside=("team:ml",))
CANARY_TAG = Condition(matter=ConditionField.METADATA, key="tfy_monitor", inside=("canary",))


def off(*conditions: Condition, name: str = "quiet", **more: Any) -> GatewayPolicy:
    """A logging configuration with one rule that is off."""
    rules = (GatewayRule(name="loud"), GatewayRule(name=name, off=True, conditions=conditions))
    return GatewayPolicy(kind=LOGGING, rules=rules, **more)


def mode(word: LoggingMode | None, **more: Any) -> GatewayPolicy:
    """The global settings."""
    return GatewayPolicy(kind=GLOBAL, mode=word, **more)


def routed(*conditions: Condition, name: str = "eu") -> GatewayPolicy:
    """Data routing with one destination."""
    return GatewayPolicy(kind=ROUTING, rules=(GatewayRule(name=name, conditions=conditions),))


def notified(
    *seen: GatewayPolicy, hidden: tuple[GatewayPolicyKind, ...] = (), config: ExportConfig | None = None
) -> Story:
    """The configurations are read."""
    story = Story(policy=POLICY).config(config)
    return story.feed(GatewayPoliciesRead(at=story.now, seen=seen, hidden=hidden))


def said_of(fault: Fault, *seen: GatewayPolicy, config: ExportConfig | None = None) -> tuple[str, ...]:
    """The reasons behind a fault."""
    story = notified(*seen, config=config)
    return hints(story.state, story.policy, story.now).get(fault, ())


def unproven(*seen: GatewayPolicy, config: ExportConfig | None = None) -> tuple[str, ...]:
    """The caveats."""
    story = notified(*seen, config=config)
    return caveats(story.state, story.policy, story.now)


# --- our canary ------------------------------------------------------------------------------------------------------


def test_a_rule_that_is_off_for_our_canary_is_a_reason() -> None:
    """By its name, with who changed it; whether a trace or only its content goes is not documented."""
    seen = off(OURS, updated_at=START - HOUR, updated_by="sam")
    sentence = (
        f"the gateway's logging rule `quiet` is off for model in [{MODEL}], and so for the canary: such a request leaves no "
        "trace, or a trace without content (last changed by sam at 2027-01-15 07:00 UTC)"
    )
    for fault in LOSSES:
        assert said_of(fault, seen) == (sentence,)
    for fault in set(F) - set(LOSSES):
        assert said_of(fault, seen) == ()


def test_a_rule_that_is_off_for_everything_says_so() -> None:
    """Then other traffic is no better off, and nothing is left to prove."""
    (said,) = said_of(F.TRACE_NOT_CREATED, off())
    assert said.startswith("the gateway's logging rule `quiet` is off for every request: ")
    assert unproven(off()) == ()


def test_a_rule_that_may_concern_our_canary_is_only_possible() -> None:
    """What is certain comes instead of what is possible."""
    (said,) = said_of(F.TRACE_MISSING, off(A_TEAM))
    assert said == ("the gateway's logging rule `quiet` is off for subject in [team:ml], which may include the canary")
    rules = (*off(A_TEAM).rules, *off(OURS, name="sure").rules)
    (said,) = said_of(F.TRACE_MISSING, GatewayPolicy(kind=LOGGING, rules=rules))
    assert "`sure`" in said


def test_nothing_is_logged_by_the_global_setting() -> None:
    """`never` concerns everybody."""
    (said,) = said_of(F.CONTENT_MISSING, mode(LoggingMode.NEVER, updated_by="sam"))
    assert said == (
        "the gateway's global settings log no request (logging mode `never`): such a request leaves no trace, or a trace "
        "without content (last changed by sam)"
    )
    assert unproven(mode(LoggingMode.NEVER)) == ()


@pytest.mark.parametrize(
    "harmless", [off(THEIRS), mode(LoggingMode.ALWAYS), mode(None), routed(), GatewayPolicy(kind=LOGGING)]
)
def test_what_does_not_concern_our_canary_is_no_reason(harmless: GatewayPolicy) -> None:
    """Nothing is made of it."""
    assert said_of(F.CONTENT_MISSING, harmless) == ()


@pytest.mark.parametrize(
    ("rule", "said"),
    [
        (
            Filter(key="tfy.span_type", values=("Model",)),
            "the exporter's filter tfy.span_type IN [Model] excludes the canary",
        ),
        (
            Filter(key="x", values=("y",)),
            "the exporter's filter x IN [y] cannot be evaluated for the canary, and may exclude it",
        ),
        (Filter(key="x", values=()), "the exporter's filter x IN [] excludes the canary"),
        (
            Filter(key="x", values=(), understood=False),
            "the exporter's filter x (not understood) cannot be evaluated for the canary, and may exclude it",
        ),
    ],
)
def test_a_filter_that_may_keep_our_canary_back_is_a_reason(rule: Filter, said: str) -> None:
    """Also where it is expected: then nobody calls it a drift. Several must all let it through."""
    config = manifest(filters=(Filter(key="tfy.span_type", values=("ChatCompletion",)), rule))
    for fault in (F.EXPORT_FAILING, F.TRACE_MISSING, F.TRACE_INCOMPLETE):
        assert said_of(fault, config=config) == (said,)
    assert said_of(F.TRACE_NOT_CREATED, config=config) == ()
    assert said_of(F.EXPORT_FAILING, config=replace(config, off=True)) == ()


def test_where_our_canary_is_routed_is_said() -> None:
    """The own store is asked there; a destination that does not concern it is no matter."""
    (said,) = said_of(F.TRACE_NOT_CREATED, routed(CANARY_TAG))
    assert said == "data routing keeps the canary's traces in the destination `eu` of TrueFoundry's own store"
    assert said_of(F.TRACE_NOT_CREATED, routed(THEIRS)) == ()


def test_the_reasons_stand_in_the_diagnosis() -> None:
    """Behind what was seen, and only while something is confirmed."""
    story = notified(off(OURS))
    assert diagnose(story.state, story.policy, story.now) is None
    story.proven()
    for _ in range(2):
        lost = story.canary()
        story.wait(300).see(lost).origin(lost, found=False)
    assert story.name is F.TRACE_MISSING
    assert "The gateway's logging rule `quiet` is off" in " ".join(story.diagnosis.because)


def test_a_trace_that_was_made_was_not_kept_from_being_made() -> None:
    """TrueFoundry's own store has one of the lost traces: logging is not the reason."""
    story = notified(off(OURS)).proven()
    lost = story.canary()
    story.wait(300).see(lost)
    story.wait(300).see(story.canary()).wait(300)
    story.see(story.state.canaries[-1].id)
    assert "is off for" in " ".join(story.diagnosis.because)
    story.origin(lost, found=True)
    assert story.name is F.TRACE_MISSING
    assert "is off for" not in " ".join(story.diagnosis.because)


def test_the_next_step_is_to_change_the_rule() -> None:
    """Where it is certain that it concerns the canary."""
    story = notified(off(OURS)).proven()
    story.policy = replace(story.policy, account="")
    for _ in range(2):
        lost = story.canary()
        story.wait(300).see(lost).origin(lost, found=False)
    assert story.name is F.TRACE_NOT_CREATED
    assert story.diagnosis.advice.startswith("Change the gateway's logging rule `quiet`: ")


# --- other traffic ---------------------------------------------------------------------------------------------------


def test_a_rule_for_other_traffic_is_a_caveat() -> None:
    """Also where it cannot be told whether it concerns the canary: a canary that arrives shows that it does not."""
    assert unproven(off(THEIRS)) == (
        "logging is off for model in [other/model] (rule `quiet`): such a request leaves no trace, or a trace without content",
    )
    assert len(unproven(off(A_TEAM))) == 1


def test_content_that_is_not_logged_for_the_canary_alone_proves_nothing_of_others() -> None:
    """That its trace holds none is the rule's doing, not the exporter's; where nobody asks, nothing is claimed."""
    (caveat,) = unproven(off(OURS))
    assert caveat == (
        "logging is off for the canary (rule `quiet`), so its trace without content does not prove that the content of other "
        "traffic stays out"
    )
    story = notified(off(OURS))
    open_ = replace(story.policy, labels=Labels(service_name="x", content=None))
    assert caveats(story.state, open_, story.now) == ()


def test_logging_by_header_treats_the_canary_as_it_asks() -> None:
    """It always asks to be logged."""
    (opt_in,) = unproven(mode(LoggingMode.OPT_IN))
    assert opt_in.startswith("a request is logged only if it asks for it (`X-TFY-LOGGING-CONFIG`), as the canary does")
    (opt_out,) = unproven(mode(LoggingMode.OPT_OUT))
    assert opt_out.startswith(
        "a request may ask not to be logged (`X-TFY-LOGGING-CONFIG`), which the canary never does"
    )
    assert unproven(mode(LoggingMode.ALWAYS)) == ()


def test_a_filter_is_a_caveat_also_where_it_is_expected() -> None:
    """The canary passes it, and other traffic may not."""
    rules = (Filter(key="tfy.span_type", values=("ChatCompletion",)), Filter(key="y", values=(), understood=False))
    assert unproven(config=manifest(filters=rules)) == (
        "the exporter sends only spans with tfy.span_type IN [ChatCompletion], so others do not arrive although the canary does",
        "the exporter's filter on y (not understood) decides which spans arrive, so the canary proves nothing about others",
    )


def test_a_filter_that_excludes_the_canary_is_no_caveat() -> None:
    """It is a fault: nothing is healthy that could prove anything of other traffic."""
    assert unproven(config=manifest(filters=(Filter(key="tfy.span_type", values=("Model",)),))) == ()


def test_data_routing_is_a_caveat_unless_it_treats_all_alike() -> None:
    """By where the canary goes and others do not, or the other way round."""
    assert unproven(routed()) == ()
    assert unproven(routed(THEIRS)) == (
        "data routing keeps model in [other/model] in another destination (`eu`), which the canary does not test",
    )
    assert "which the canary does not test" in unproven(routed(A_TEAM))[0]
    assert unproven(routed(CANARY_TAG)) == (
        "data routing treats the canary differently from other traffic (destination `eu`, metadata tfy_monitor in [canary])",
    )


def test_many_caveats_are_counted() -> None:
    """Nobody reads a hundred."""
    rules = tuple(
        GatewayRule(name=str(n), off=True, conditions=(replace(THEIRS, inside=(f"m{n}",)),)) for n in range(12)
    )
    found = unproven(GatewayPolicy(kind=LOGGING, rules=rules))
    assert len(found) == 11
    assert found[-1] == "2 more rules treat some traffic differently"
    assert len(unproven(GatewayPolicy(kind=LOGGING, rules=rules[:10]))) == 10


# --- what is remembered ----------------------------------------------------------------------------------------------


def test_nothing_is_reported_of_what_cannot_be_seen() -> None:
    """Never read, or hidden from us."""
    assert hints(Story(policy=POLICY).state, POLICY, START)[F.TRACE_NOT_CREATED] == ()
    assert caveats(Story(policy=POLICY).state, POLICY, START) == ()
    story = notified(off(OURS)).feed(GatewayPoliciesRead(at=START, hidden=(LOGGING,)))
    assert hints(story.state, story.policy, START)[F.TRACE_NOT_CREATED] == ()


def test_what_could_not_be_asked_again_is_believed_for_a_while() -> None:
    """A look that failed forgets nothing; one of long ago counts no more."""
    story = notified(off(OURS)).wait(BELIEVED_FOR).feed(GatewayPoliciesRead(at=START + BELIEVED_FOR))
    assert hints(story.state, story.policy, story.now)[F.TRACE_NOT_CREATED]
    assert story.state.gateway_policies_read_at == story.now
    assert hints(story.state, story.policy, story.now + 1)[F.TRACE_NOT_CREATED] == ()


def test_whose_requests_the_canaries_are_is_learnt_from_the_own_store() -> None:
    """For as long as the same tokens are in use: then rules on accounts can be evaluated."""
    story = notified(off(Condition(matter=ConditionField.SUBJECT, inside=("virtualaccount:monitor",))))
    canary = story.canary(account="us")
    caller = Caller(names=("monitor", "virtualaccount:monitor"))
    story.feed(OriginLooked(at=story.now, canary_id=canary, found=True, caller=caller))
    assert story.state.caller == replace(caller, account="us")
    assert "and so for the canary" in hints(story.state, story.policy, story.now)[F.TRACE_MISSING][0]
    other = replace(story.policy, account="them")
    assert "which may include the canary" in hints(story.state, other, story.now)[F.TRACE_MISSING][0]
    story.feed(OriginLooked(at=story.now, canary_id=canary, found=True))
    assert story.state.caller is not None


# --- where the own store keeps a trace -------------------------------------------------------------------------------


def rules(*conditions: tuple[Condition, ...]) -> tuple[GatewayRule, ...]:
    """Destinations a, b, c and so on."""
    return tuple(GatewayRule(name="abcdef"[n], conditions=each) for n, each in enumerate(conditions))


@pytest.mark.parametrize(
    ("found", "where"),
    [
        ((), ("default",)),
        (rules((THEIRS,)), ("default",)),
        (rules((OURS,)), ("a",)),
        (rules((OURS,), (CANARY_TAG,)), ("a", "b")),
        (rules((A_TEAM,)), ("default", "a")),
        (rules((A_TEAM,), (OURS,)), ("b", "a")),
        (rules((A_TEAM,), (A_TEAM,), (A_TEAM,)), ("default", "a", "b", "c")),
        (rules((A_TEAM,), (A_TEAM,), (A_TEAM,), (A_TEAM,)), None),
    ],
)
def test_a_trace_is_looked_for_wherever_it_may_be(
    found: tuple[GatewayRule, ...], where: tuple[str, ...] | None
) -> None:
    """Surely there, else in the default destination, and wherever it cannot be told; too many are not asked."""
    assert likely_destinations(found, PROFILE, None) == where


def lose(story: Story, *destinations: str, account: str = "us") -> Fault | None:
    """Two traces are lost, and the own store says that it has neither; how that is called."""
    for _ in range(2):
        lost = story.canary(account=account)
        story.wait(300).see(lost)
        story.feed(OriginLooked(at=story.now, canary_id=lost, found=False, destinations=destinations))
    return story.name


def proven(*destinations: str, account: str = "us") -> Story:
    """The own store has shown a trace of ours in each of these destinations."""
    story = Story(policy=POLICY).proven()
    for destination in destinations:
        shown = story.canary(account=account)
        story.feed(OriginLooked(at=story.now, canary_id=shown, found=True, destinations=(destination,))).arrives(
            shown, spans(int(shown[1:]))
        )
    return story


def test_absence_counts_only_where_the_own_store_has_shown_a_trace() -> None:
    """In every destination that was asked."""
    assert lose(proven("default"), "default") is F.TRACE_NOT_CREATED
    assert lose(proven("eu"), "default") is F.TRACE_MISSING
    assert lose(proven("default"), "default", "eu") is F.TRACE_MISSING
    assert lose(proven("default", "eu"), "default", "eu") is F.TRACE_NOT_CREATED


def test_absence_counts_only_for_the_account_that_was_shown_a_trace() -> None:
    """Each account sees its own traces: one that was rotated in has to be shown one of its own first."""
    story = proven("default")
    story.policy = replace(story.policy, account="them")
    assert lose(story, "default", account="them") is F.TRACE_MISSING


def test_a_trace_of_the_account_before_proves_nothing_of_the_present_one() -> None:
    """The token of the gateway was changed, and the one that asks still sees the traces of before."""
    story = Story(policy=POLICY).proven()
    before = story.canary(account="us")
    story.policy = replace(story.policy, account="them")
    story.feed(OriginLooked(at=story.now, canary_id=before, found=True)).arrives(before)
    assert story.known(before).origin is True
    assert lose(story, "default", account="them") is F.TRACE_MISSING


def test_a_proof_of_the_own_store_lasts_for_a_day() -> None:
    """As every proof does."""
    story = proven("default").wait(PROOF_LASTS)
    story.proven()
    lost = [story.canary(account="us") for _ in range(2)]
    story.wait(300)
    for canary in lost:
        story.see(canary).feed(OriginLooked(at=story.now, canary_id=canary, found=False))
    assert story.name is F.TRACE_MISSING


def test_what_is_said_of_a_canary_that_is_forgotten_changes_nothing() -> None:
    """But that somebody was asked."""
    story = Story(policy=POLICY).feed(OriginLooked(at=START, canary_id="gone", found=True))
    assert (story.state.proofs, story.state.origin_looked_at) == ({}, START)


def test_a_trace_that_is_found_is_found_whoever_sent_it() -> None:
    """That needs no proof."""
    story = Story(policy=POLICY).proven()
    story.policy = replace(story.policy, account="them")
    for _ in range(2):
        lost = story.canary(account="us")
        story.wait(300).see(lost)
        story.feed(OriginLooked(at=story.now, canary_id=lost, found=True))
    assert [canary.outcome for canary in story.state.canaries] == [Outcome.MISSING] * 2
    assert "TrueFoundry's own store has the trace" in " ".join(story.diagnosis.because)
