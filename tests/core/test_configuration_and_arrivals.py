"""What the export configuration says is compared with what arrives and with whose key is outdated, and who changed it."""

from dataclasses import replace

import pytest

from monitor.core.canary import Outcome
from monitor.core.config_memory import ConfigMemory, ConfigSeen
from monitor.core.drift import ENCODING, ENDPOINT, EXCLUDE, ExportConfig
from monitor.core.model import Severity
from monitor.core.refine import confirmed_faults
from monitor.core.state import Policy, TargetState
from monitor.core.trace import LabelJudgement
from tests.core.build import (
    HOUR,
    MINUTE,
    OFF,
    POLICY,
    THEIRS,
    F,
    Story,
    a_canary,
    manifest,
)
from tests.core.test_diagnosis import NOW, holding, suspected
from tests.fakes.clock import START


def configured(
    config: ExportConfig, *, changed_at: float | None = START, by: str | None = None, outcomes: str = ""
) -> TargetState:
    """A configuration that was read, and canaries a minute apart, sent from settle after its change on."""
    suspicion = suspected(F.EXPORTER_DISABLED if config.off else F.CONFIG_DRIFT)
    memory = ConfigMemory(seen=ConfigSeen(config=config, updated_at=changed_at, updated_by=by), changed_at=changed_at)
    kinds = {"A": Outcome.ARRIVED, "M": Outcome.MISSING, "?": Outcome.UNKNOWN}
    canaries = tuple(
        a_canary(place, sent_at=START + 360 + 60 * place, outcome=kinds[letter])
        for place, letter in enumerate(outcomes)
    )
    return holding(suspicion, config=memory, canaries=canaries)


def refined(state: TargetState, judge: Policy = POLICY) -> tuple[Severity, bool]:
    """The severity of the one confirmed fault, and whether it explains losses."""
    (one,) = confirmed_faults(state, judge, START + 2000)
    return one.severity, F.TRACE_MISSING in one.explains


ELSEWHERE = manifest({ENDPOINT: "https://elsewhere.example/v1/traces"})
SAYS_SO = (Severity.CRITICAL, True)
OUTRANKED = (Severity.WARNING, False)


@pytest.mark.parametrize("config", [OFF, ELSEWHERE], ids=["off", "drift"])
@pytest.mark.parametrize(
    ("outcomes", "weight"),
    [
        ("", SAYS_SO),
        ("A", SAYS_SO),
        ("AA", OUTRANKED),
        ("MAA", OUTRANKED),
        ("AAM", OUTRANKED),
        ("AAMM", SAYS_SO),
        ("AAMMA", SAYS_SO),
        ("AA?", OUTRANKED),
        ("MM", SAYS_SO),
    ],
)
def test_after_settle_what_arrives_outranks_what_the_configuration_says(
    config: ExportConfig, outcomes: str, weight: tuple[Severity, bool]
) -> None:
    """Two arrivals say so, two losses after them deny it: exporter off but traces arrive is another export path."""
    state = configured(config, outcomes=outcomes)
    assert refined(state) == weight
    said = "Traces still arrive: there must be another export path"
    assert (said in confirmed_faults(state, POLICY, NOW)[0].because) == (weight == OUTRANKED)


@pytest.mark.parametrize(
    ("carried", "said"),
    [
        (
            (True,),
            "They carry the resource attributes that this exporter adds: it, or one with the same settings, still exports",
        ),
        (
            (True, False),
            "They lack the resource attributes that this exporter adds: they come by another path",
        ),
        ((False, None), None),
        ((), None),
    ],
)
def test_what_still_arrives_says_by_which_path(carried: tuple[bool | None, ...], said: str | None) -> None:
    """By the resource attributes of the newest trace that was read; where none are expected nothing is said."""
    state = configured(OFF, outcomes="AAA")
    labels = [LabelJudgement(configured=each) for each in carried]
    labelled = (
        *(replace(c, labels=each) for c, each in zip(state.canaries, labels, strict=False)),
        *state.canaries[len(carried) :],
    )
    because = confirmed_faults(replace(state, canaries=labelled), POLICY, NOW)[0].because
    assert [line for line in because if line.startswith("They ")] == ([said] if said else [])


def test_before_settle_nothing_outranks_the_configuration() -> None:
    """The exporter may still use the one before."""
    assert refined(configured(OFF, outcomes="AA", changed_at=START + 1)) == SAYS_SO
    assert refined(configured(OFF, outcomes="AA", changed_at=START)) == OUTRANKED


def test_a_configuration_without_a_date_is_outranked_by_any_arrival() -> None:
    """Nothing says that it is new."""
    assert refined(configured(OFF, outcomes="AA", changed_at=None)) == OUTRANKED


def test_a_configuration_that_is_gone_is_outranked_only_by_what_was_sent_after_it_went() -> None:
    """A 404 has no date, and what was read before says nothing of it: the arrivals of before prove nothing now."""
    memory = ConfigMemory(seen=ConfigSeen(config=manifest(), updated_by="ana"), changed_at=START - 9000)
    arrived = tuple(a_canary(n, sent_at=START + 60 * n, outcome=Outcome.ARRIVED) for n in range(20))
    for known in (memory, None):
        gone = holding(suspected(F.EXPORTER_DISABLED), config=known, canaries=arrived[:6])
        assert refined(gone) == SAYS_SO
        assert not any("ana" in sentence for sentence in confirmed_faults(gone, POLICY, NOW)[0].because)
        assert refined(replace(gone, canaries=arrived)) == OUTRANKED


def test_a_harmless_drift_is_not_weighed_against_arrivals() -> None:
    """It does not say that traces stop."""
    state = configured(ELSEWHERE, outcomes="AA")
    harmless = suspected(F.CONFIG_DRIFT, stops=False)
    state = replace(state, check_states=holding(harmless).check_states)
    assert refined(state) == (Severity.WARNING, False)
    assert "arrive" not in " ".join(confirmed_faults(state, POLICY, NOW)[0].because)


def test_content_that_may_leak_stays_critical_although_traces_arrive() -> None:
    """Another export path is no comfort."""
    leaking = manifest({ENDPOINT: "https://elsewhere.example", EXCLUDE: False})
    assert refined(configured(leaking, outcomes="AA")) == (Severity.CRITICAL, False)


def test_a_rotated_key_is_a_warning_that_says_what_to_do() -> None:
    """The gateway carries another key and ours is refused: the monitor's copy is the outdated one."""
    state = replace(configured(manifest(key=THEIRS)), key_refused_at=NOW)
    assert refined(state) == (Severity.WARNING, False)
    (one,) = confirmed_faults(state, POLICY, NOW)
    assert one.title == "The Traceloop key was probably rotated, and the monitor has the old one"
    assert "Traceloop refuses the monitor's own key" in one.because
    assert one.impact == (
        "The monitor cannot read traces with its key, so whether they arrive has not been checked since {since}."
    )
    assert one.advice.startswith("Give the monitor the key that the exporter carries now (`traceloop.api_key`).")


def test_a_key_that_was_given_to_us_since_is_compared_before_it_accuses() -> None:
    """That the new one is accepted says nothing yet of what was compared with the old one."""
    rotated = replace(configured(manifest(key=THEIRS)), key_refused_at=NOW, key_accepted_at=NOW + 1)
    assert rotated.config is not None
    state = replace(rotated, config=replace(rotated.config, credential="before"))
    assert refined(state) == (Severity.WARNING, False)
    (one,) = confirmed_faults(state, POLICY, NOW)
    assert "rotated" not in one.title
    assert one.title == "The monitor has a new Traceloop key, which has not been compared yet"
    assert one.impact.startswith("The next check of the configuration shows whether the exporter has the same key.")
    compared = replace(rotated, config=replace(rotated.config, credential=POLICY.credential))
    assert refined(compared) == SAYS_SO


@pytest.mark.parametrize(
    "state",
    [
        configured(manifest(key=THEIRS)),
        replace(configured(manifest(key=THEIRS)), key_refused_at=NOW, key_accepted_at=NOW + 1),
        replace(configured(manifest(key="tl_theirs")), key_refused_at=NOW),
        replace(configured(OFF), key_refused_at=NOW),
    ],
    ids=["not refused", "accepted since", "no Bearer", "off"],
)
def test_otherwise_another_key_stops_the_export(state: TargetState) -> None:
    """Ours is good, so theirs is wrong; or something else is wrong besides."""
    assert refined(state) == SAYS_SO


def test_nobody_is_named_who_signed_before_a_check_that_passed() -> None:
    """The difference came after it: our own expectation may have changed, or how a value is shown."""
    story = Story().config(by="ana", updated_at=START - HOUR).wait(MINUTE)
    story.config(manifest({ENCODING: "json"}), by="ana", updated_at=START - HOUR)
    assert not any("ana" in line for line in story.diagnosis.because)
    story.config(manifest({ENCODING: "json"}), by="bob", updated_at=START + 30)
    assert story.diagnosis.because[-1] == "Changed by bob at 2027-01-15 08:00 UTC"


def test_who_changed_the_configuration_is_said_with_the_time() -> None:
    """As far as the manifest says."""
    assert (
        confirmed_faults(configured(OFF, by="ana"), POLICY, NOW)[0].because[-1]
        == "Last changed by ana at 2027-01-15 08:00 UTC"
    )
    assert confirmed_faults(configured(OFF), POLICY, NOW)[0].because[-1] == "Last changed at 2027-01-15 08:00 UTC"
    undated = confirmed_faults(configured(OFF, changed_at=None, by="ana"), POLICY, NOW)[0].because[-1]
    assert undated == "Last changed by ana"
    assert confirmed_faults(configured(OFF, changed_at=None), POLICY, NOW)[0].because == ("Exporter_disabled it is",)
