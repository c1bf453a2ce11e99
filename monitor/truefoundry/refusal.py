"""Why the gateway did not serve a request, as far as its answer tells.

The envelope is `{status, message, error, error_origin_level, provider}`; `error` is an object or a JSON string, and a
guardrail's refusal lists passed checks beside failed ones (recorded in https://github.com/truefoundry/models and
https://github.com/promptfoo/promptfoo, test/providers/truefoundry.test.ts).
"""

import json
from collections.abc import Iterator, Mapping
from typing import Any

from monitor.http import Answer, Odd
from monitor.ports import Garbled, Refusal
from monitor.redaction import Redactor

_ENVELOPE = ("error_origin_level", "provider", "guardrail_checks")
_GUARDRAIL_LISTS = ("input_guardrails", "output_guardrails", "llm_input_guardrails", "llm_output_guardrails")
_FAILED = ("failed", "false")
_LONGEST_ERROR = 20_000  # what is built of JSON is many times larger than its text


def read_refusal(answer: Answer, redactor: Redactor) -> Refusal:
    """The refusal in an error answer; text that is no envelope is kept as its message, redacted and clamped."""
    try:
        body = answer.json()
    except Odd as odd:
        return Refusal(message=redactor.show(answer.text(2000), 200), unread=str(odd))
    except Garbled:
        return Refusal(message=redactor.show(answer.text(2000), 200))
    if not isinstance(body, Mapping):
        return Refusal(message=redactor.show(answer.text(2000), 200))
    error = _error(body.get("error"))
    message = body.get("message") or error.get("message") or ""
    return Refusal(
        message=redactor.show(str(message), 300),
        envelope=_is_envelope(body),
        error=bool(body.get("error")) or isinstance(body.get("message"), str),
        kind=_word(error.get("type"), redactor),
        origin=_word(body.get("error_origin_level"), redactor),
        provider=_word(body.get("provider"), redactor),
        guardrails=tuple(_failed_guardrails(body.get("guardrail_checks"), redactor))[:5],
    )


def _is_envelope(body: Mapping[str, Any]) -> bool:
    return (body.get("status") == "failure" and "error" in body) or any(body.get(name) for name in _ENVELOPE)


def _error(error: object) -> Mapping[str, Any]:
    if isinstance(error, str):
        try:
            error = json.loads(error) if len(error) <= _LONGEST_ERROR else {"message": error}
        except (ValueError, RecursionError):
            return {"message": error}
    return error if isinstance(error, Mapping) else {}


def _word(value: object, redactor: Redactor) -> str | None:
    return redactor.show(value, 60) if isinstance(value, str) and value else None


def _failed_guardrails(checks: object, redactor: Redactor) -> Iterator[str]:
    if not isinstance(checks, Mapping):
        return
    for name in _GUARDRAIL_LISTS:
        entries = checks.get(name)
        for entry in entries if isinstance(entries, list) else ():
            if isinstance(entry, Mapping) and _has_failed(entry):
                side = "input" if "input" in name else "output"
                yield f"{redactor.show(str(entry.get('guardrail_integration') or 'unnamed'), 80)} ({side})"


def _has_failed(entry: Mapping[str, Any]) -> bool:
    """By its result; where that is missing, by the verdict that the guardrail's own server gave."""
    result = entry.get("result")
    if result is not None:
        return result is False or result in _FAILED
    data = entry.get("data")
    inner = data.get("guardrailResponse", data) if isinstance(data, Mapping) else entry
    return isinstance(inner, Mapping) and inner.get("verdict") is False
