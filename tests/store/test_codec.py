import json
import logging
from collections.abc import Callable
from types import MappingProxyType
from typing import Any, get_args

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from monitor.core.canary import Canary
from monitor.core.config_memory import ConfigMemory, ConfigSeen
from monitor.core.drift import ExportConfig
from monitor.core.incident import Diagnosis, Incident
from monitor.core.inputs import Input
from monitor.core.model import CheckName, Component, Fault, Severity, TargetName, TraceId, passing
from monitor.core.pipeline_counters import PipelineCounters, SpanCounters
from monitor.core.secret import describe_secret
from monitor.core.silence import Silence
from monitor.core.state import Budget, CheckState, LastLook, TargetState
from monitor.store.codec import (
    KINDS,
    Unreadable,
    decode_input,
    decode_silence,
    decode_target,
    encode_input,
    encode_silence,
    encode_target,
)
from tests.store.values import any_value_of

PROD = TargetName("prod")
thorough = settings(
    max_examples=25, deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large]
)


def an_incident(name: str) -> Incident:
    """An open one."""
    diagnosis = Diagnosis(
        fault=Fault.EXPORTER_DISABLED, severity=Severity.CRITICAL, component=Component.CONFIG, summary="off"
    )
    return Incident(id=name, target=PROD, opened_at=1.0, diagnosis=diagnosis)


def a_canary(name: str) -> Canary:
    """A pending one."""
    return Canary(id=name, sent_at=1.0, answered_at=2.0, sent_id=TraceId("ab" * 16), span_id="cd" * 8, nonce="n")


def changed(state: TargetState, **fields: Any) -> str:
    """The document of a state with some of its fields replaced by raw JSON."""
    return json.dumps(json.loads(encode_target(state)) | fields)


@thorough
@given(state=any_value_of(TargetState))
def test_a_target_comes_back_as_it_was(state: TargetState) -> None:
    """Whatever the state holds, it is the same after a restart, to the type of every number."""
    assert repr(decode_target(encode_target(state))) == repr(state)


def test_a_key_that_is_the_earlier_name_of_a_field_stays_as_it_is() -> None:
    """In what this version wrote: the reasons and components that a Collector counts by may be called anything."""
    counters = PipelineCounters(readings=(SpanCounters(at=1.0, dropped={"hop": 1, "told": 2}),))
    state = TargetState(target=PROD, pipeline_counters=counters)
    assert decode_target(encode_target(state)) == state


@thorough
@given(silence=any_value_of(Silence))
def test_a_silence_comes_back_as_it_was(silence: Silence) -> None:
    """Weekdays, times and time zones included."""
    assert decode_silence(encode_silence(silence)) == silence


@thorough
@given(given_=st.sampled_from(sorted(KINDS)).flatmap(lambda name: any_value_of(KINDS[name])))
def test_an_input_comes_back_as_it_was(given_: Input) -> None:
    """The history can be replayed."""
    assert repr(decode_input(given_.STORED_AS, encode_input(given_))) == repr(given_)


def test_the_names_of_kept_inputs_never_change() -> None:
    """A file that an earlier version wrote can be read, whatever the classes are called now; no two share a name."""
    kept = """
        acknowledged canary_answered canary_planned control_looked control_sent counters_read key_tried labels_unread
        look_failed looked_elsewhere memory_lost notified observed own_store_looked policies_read removed ticked trace_looked
    """
    assert sorted(KINDS) == kept.split()
    assert len(KINDS) == len(get_args(Input))


def test_a_read_only_mapping_is_a_mapping_too() -> None:
    """What the core hands out as MappingProxyType is kept like any other mapping."""
    look = LastLook(at=1.0, took=0.5, result=passing("healthy", MappingProxyType({"differences": 0})))
    state = TargetState(target=PROD, check_states=MappingProxyType({CheckName.CONFIG: CheckState(last=look)}))
    assert decode_target(encode_target(state)) == state


@pytest.mark.parametrize("figure", [float("inf"), float("-inf"), float("nan")])
@pytest.mark.parametrize("mapping", [dict, MappingProxyType], ids=["dict", "proxy"])
def test_a_number_that_json_does_not_have_costs_nothing(figure: float, mapping: Callable[..., Any]) -> None:
    """An infinite figure among the evidence may become null; everything around it stays."""
    look = LastLook(at=figure, took=0.5, result=passing("", mapping({"ratio": figure, "n": 1})))
    state = TargetState(target=PROD, check_states={CheckName.CONFIG: CheckState(last=look)})
    result = decode_target(encode_target(state)).check_state(CheckName.CONFIG).result
    assert result is not None
    assert result.evidence["n"] == 1


def test_what_a_newer_version_added_is_ignored() -> None:
    """After a downgrade unknown keys are passed over, at every depth."""
    state = TargetState(target=PROD, incidents=(an_incident("a"),), budget=Budget(day=3, sent=4))
    raw = json.loads(encode_target(state)) | {"mood": "sunny"}
    raw["budget"]["mood"] = raw["incidents"][0]["diagnosis"]["mood"] = {"deep": [1]}
    assert decode_target(json.dumps(raw)) == state


def test_a_record_of_a_newer_version_costs_that_record_alone(caplog: pytest.LogCaptureFixture) -> None:
    """An incident called by a fault that this version does not know is left out and said; its neighbours stay."""
    state = TargetState(target=PROD, incidents=(an_incident("a"), an_incident("b"), an_incident("c")))
    raw = json.loads(encode_target(state))
    raw["incidents"][1]["diagnosis"]["fault"] = "moon_eclipsed"
    raw["check_states"] = {"config": {"fails": 3}, "astrology": {"fails": 1}}
    raw["recovery"] = {"fault": "moon_eclipsed", "at": 1}
    with caplog.at_level(logging.WARNING):
        decoded = decode_target(json.dumps(raw))
    assert [incident.id for incident in decoded.incidents] == ["a", "c"]
    assert decoded.check_states == {CheckName.CONFIG: CheckState(fails=3)}
    assert decoded.recovery is None
    assert "is dropped" in caplog.text
    assert "prod" in caplog.text


@pytest.mark.parametrize(
    "canaries",
    ["none", 7, {"a": 1}, [7], [None, {"id": 3}], [{"id": "x"}]],
    ids=["text", "number", "mapping", "list of numbers", "list of halves", "list of beginnings"],
)
def test_a_mangled_field_costs_that_field_alone(canaries: object) -> None:
    """A document that was edited by hand, or cut, loses what is mangled and nothing else."""
    state = TargetState(target=PROD, proofs={"trace": 1.0})
    assert decode_target(changed(state, canaries=canaries)) == state


@pytest.mark.parametrize(
    "document",
    ["", "nonsense", "[]", "null", "{}", '{"target": 7}', "[" * 100_000],
    ids=["empty", "no JSON", "list", "null", "no target", "target a number", "endless"],
)
def test_a_document_without_its_target_is_unreadable(document: str) -> None:
    """There is no state of nobody."""
    with pytest.raises(Unreadable):
        decode_target(document)


@thorough
@given(
    raw=st.recursive(
        st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
        lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
        max_leaves=6,
    ),
    field=st.sampled_from(sorted(TargetState.__dataclass_fields__)),
)
def test_junk_in_any_field_is_left_out_or_unreadable_and_nothing_worse(raw: object, field: str) -> None:
    """Whatever stands in a document, reading it ends in a state or in Unreadable."""
    state = TargetState(target=PROD, canaries=(a_canary("a"),), incidents=(an_incident("a"),))
    try:
        decoded = decode_target(changed(state, **{field: raw}))
    except Unreadable:
        assert field == "target"
    else:
        assert field == "incidents" or decoded.incidents == state.incidents


def test_an_unreadable_document_is_not_quoted() -> None:
    """What could not be read may be anything, so the error names places, never values."""
    with pytest.raises(Unreadable) as caught:
        decode_silence(json.dumps({"id": {"never": "shown"}, "fault": "also never shown"}))
    assert "never" not in str(caught.value)
    assert "fault" in str(caught.value)


def test_an_input_of_an_unknown_kind_is_unreadable() -> None:
    """A newer version may have written it."""
    with pytest.raises(Unreadable, match="no input of this version"):
        decode_input("moonrise", "{}")


def test_a_header_value_is_kept_as_a_fingerprint() -> None:
    """The last configuration is remembered for the next comparison, and no value of a secret with it."""
    secret = describe_secret("Bearer tl_0123456789abcdef", expected="Bearer tl_other", key=b"k", bearer=True)
    config = ExportConfig(fields={"otel_traces_exporter_config.headers.authorization": secret})
    state = TargetState(target=PROD, config=ConfigMemory(seen=ConfigSeen(config=config)))
    document = encode_target(state)
    assert "0123456789abcdef" not in document
    assert decode_target(document) == state
