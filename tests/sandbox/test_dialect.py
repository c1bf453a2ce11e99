"""The switches and how they are read."""

import itertools

import pytest

from monitor.sandbox import SWITCHES, Variant, parse_variant


def test_the_default_is_what_the_record_makes_most_likely() -> None:
    """Literal header values, an absent exporter, an open route, a present header, an ignored traceparent, strings."""
    assert parse_variant("") == Variant()
    assert Variant().words() == {
        "header_values": "literal",
        "off": "absent",
        "trace_route": "open",
        "trace_scope": "environment",
        "feedback": "base64",
        "traceparent": "ignored",
        "metadata": "string",
        "own_store": "prompt",
        "ingest_answer": "empty",
        "json_ingest": "refused",
        "index_lag": "2s",
        "warehouse": "together",
        "filters": "attributes",
        "naming": "llm",
        "error_bodies": "envelope",
        "refusals": "traced",
        "logging_off": "bodies",
        "other_settings": "envelope",
        "span_metrics": "ai_gateway",
    }


def test_switches_are_read_from_words() -> None:
    """Blanks and hyphens do no harm."""
    dialect = parse_variant(" header-values = masked, off=404 ,index_lag=60s,")
    assert dialect == Variant(header_values="masked", off="404", index_lag="60s")
    assert dialect.index_seconds == 60.0


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("masked", "'masked' is not of the form switch=value"),
        ("header_value=masked", "no switch 'header_value' (did you mean 'header_values'?)"),
        ("feedback=base46", "feedback cannot be 'base46' (did you mean 'base64'?); it is one of base64,"),
        ("off=purple", "off cannot be 'purple'; it is one of absent, null, 404, 200-null"),
    ],
)
def test_what_cannot_be_read_is_explained(text: str, problem: str) -> None:
    """With what is allowed, and what was probably meant."""
    with pytest.raises(ValueError) as caught:  # noqa: PT011 - the text is compared below
        parse_variant(text)
    assert str(caught.value).startswith(problem)


def test_every_switch_can_take_every_value() -> None:
    """Two at a time, in any combination; each is explained."""
    for (one, first), (other, second) in itertools.combinations(SWITCHES.items(), 2):
        for here, there in itertools.product(first.values, second.values):
            words = Variant().vary({one: here, other: there}).words()
            assert (words[one], words[other]) == (here, there)
    assert all(switch.about for switch in SWITCHES.values())
