"""What the control plane tells about the exporter: whether it is set as it should be, and how that is shown."""

from collections import Counter
from datetime import UTC, datetime

from monitor.core.drift import Comparison, ConfigSeen, compare
from monitor.core.key import key_is_refused, refute_headers, refuted_headers
from monitor.core.model import Instant
from monitor.core.refine import GIVE_US_THE_KEY
from monitor.core.secret import SecretKind
from monitor.doctor.answer import Answer, Question, open_, skipped, well, wrong
from monitor.doctor.questions.concerns import has_control_plane
from monitor.doctor.seen import Answered, Seen
from monitor.ports import PortError, Refused

_WHERE = "AI Gateway, Controls, Settings, OTEL Config, edit"
_OFF = {
    "404": "by HTTP 404",
    "null": "by the answer null",
    "empty": "by an empty answer",
}


def _unread(seen: Seen) -> Answer:
    """Why nothing can be said about the exporter's configuration."""
    if isinstance(seen.config, PortError):
        return skipped("the configuration cannot be read")
    return skipped("there is no traces exporter to look at" if seen.config is not None else seen.unfinished)


def judge_off_form(seen: Seen) -> Answer:
    """How the control plane shows what is not there: at the exporter itself if it is off, else at the other configurations."""
    answer = seen.export_config
    if answer is not None and answer.off_as is not None:
        shown = {"absent": "by leaving otel_traces_exporter_config out", "null": "by otel_traces_exporter_config: null"}
        return well(f"exporter {answer.off_as}", f"An exporter that is off is shown {shown[answer.off_as]}.")
    if answer is not None and answer.form in _OFF:
        return well(answer.form, f"A missing exporter is shown {_OFF[answer.form]}.", form=answer.form)
    forms = Counter(
        reply.value.form for reply in seen.others.values() if isinstance(reply, Answered) and reply.value.form in _OFF
    )
    if not any(isinstance(reply, Answered) for reply in seen.others.values()):
        return skipped("no configuration can be read")
    if not forms:
        return open_(
            "not seen", "Every configuration that was asked for is there, so nothing shows how a missing one is shown."
        )
    form, _ = forms.most_common(1)[0]
    return well(
        form,
        f"A configuration that was never made is shown {_OFF[form]}. How an exporter is shown that was switched off can only be "
        "seen when it is.",
        form=form,
    )


def judge_header_values(seen: Seen) -> Answer:
    """Whether header values come back as they are, masked, as references, or not at all."""
    config = seen.exporter
    if config is None:
        return _unread(seen)
    if refuted_headers(_doubted(config, seen), seen.policy.expected):
        return well(
            "otherwise",
            "Header values come back otherwise than they are in use (masked?): with what is shown our trace would not have arrived.",
        )
    kinds = sorted({secret.kind.value for secret in config.config.secrets().values()})
    match kinds:
        case []:
            return well("no headers", "The exporter has no headers, so nothing shows how their values come back.")
        case [SecretKind.LITERAL.value]:
            return well(
                "literal", "Header values come back as they are: the exporter's key is compared with the monitor's."
            )
        case [SecretKind.MASKED.value]:
            said = "Header values come back masked: whether the exporter carries the right key cannot be compared."
        case [SecretKind.REFERENCE.value]:
            said = "Header values come back as tfy-secret:// references: the key behind them cannot be compared."
        case [SecretKind.HIDDEN.value]:
            said = "The exporter's headers are not shown at all: its key cannot be compared."
        case _:
            said = f"Header values come back in several forms ({', '.join(kinds)})."
    return well(
        "mixed" if len(kinds) > 1 else "absent" if kinds[0] == SecretKind.HIDDEN.value else kinds[0],
        f"{said} That it works shows only in traces that arrive.",
    )


def _doubted(config: ConfigSeen, seen: Seen) -> ConfigSeen:
    """The configuration, with header values not compared that the arrival of our trace refutes."""
    return refute_headers(config, config, seen.state, seen.policy, seen.now)


def judge_drift(seen: Seen) -> Answer:
    """Whether the exporter is set as the guide says."""
    answer, config = seen.export_config, seen.exporter
    if answer is None:
        return _unread(seen)
    if config is None:
        if answer.seen is None and not seen.token_known:
            return skipped("the token is not accepted, so a missing configuration says nothing")
        return wrong(
            "off",
            "The gateway's traces exporter is off: no trace leaves TrueFoundry.",
            f"In TrueFoundry open {_WHERE}, and switch the traces exporter on. `trace-monitor expected --format table` prints "
            "what to fill in.",
        )
    return _judge_comparison(compare(seen.policy.expected, _doubted(config, seen).config), seen)


def _judge_comparison(comparison: Comparison, seen: Seen) -> Answer:
    unseen = f"; not comparable: {', '.join(comparison.not_comparable)}" if comparison.not_comparable else ""
    if not comparison.differences:
        fields = len(comparison.equal)
        return well("yes", f"The exporter is set as expected: {fields} fields are equal{unseen}.", equal=fields)
    found = "; ".join(str(difference) for difference in comparison.differences)
    paths = ", ".join(difference.path for difference in comparison.differences)
    stops = " As it is, no trace arrives." if comparison.stops_export else ""
    advice = (
        f"In TrueFoundry open {_WHERE}, and set it as `trace-monitor expected --format table --target {seen.name}` prints it; or, "
        "if it is meant to be so, say so under `expected` in the monitor's configuration."
    )
    if comparison.other_key and (key_is_refused(seen.state) or _refuses_key(seen)):
        stops = (
            " Traceloop refuses the monitor's own key, so it was probably rotated, and the exporter has the new one."
        )
        advice = GIVE_US_THE_KEY
    return wrong(
        "no",
        f"The exporter is not set as expected: {found}{unseen}.{stops}",
        advice,
        differences=len(comparison.differences),
        paths=paths,
    )


def _refuses_key(seen: Seen) -> bool:
    """Whether the documented read refuses the monitor's own key."""
    return isinstance(seen.window, Refused) and seen.window.unauthorized


def judge_changed(seen: Seen) -> Answer:
    """Who changed the configuration last."""
    answer = seen.export_config
    config = answer.seen if answer is not None else None
    if config is None:
        return _unread(seen)
    if config.updated_by is None and config.updated_at is None:
        return well("not told", "The control plane does not tell who changed the configuration, or when.")
    when = f" on {_day(config.updated_at)}" if config.updated_at is not None else ""
    return well(
        "told",
        f"The configuration was last changed{when} by {config.updated_by or 'somebody who is not named'}.",
        changed_by=config.updated_by,
        changed_at=config.updated_at,
    )


def _day(moment: Instant) -> str:
    return datetime.fromtimestamp(moment, UTC).strftime("%Y-%m-%d %H:%M UTC")


EXPORTER: tuple[Question, ...] = (
    Question(
        slug="config_matches",
        text="Is the exporter set as it should be?",
        judge=judge_drift,
        needed=True,
        concerns=has_control_plane,
    ),
    Question(
        slug="config_changed",
        text="Who changed the exporter's configuration last?",
        judge=judge_changed,
        concerns=has_control_plane,
    ),
    Question(
        slug="header_values",
        text="How does the control plane show header values?",
        judge=judge_header_values,
        concerns=has_control_plane,
    ),
    Question(
        slug="absent_exporter",
        text="How does it show what is not there?",
        judge=judge_off_form,
        concerns=has_control_plane,
    ),
)
