"""The gateway's list of models, and how it refuses: of a 401 there is no public record, so its form is told, not assumed.

`{"object": "list", "data": [{"id": …}]}`; `{"data": []}` where nothing is granted.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from monitor.http import Answer
from monitor.ports import Garbled
from monitor.redaction import clamp

_OK = 200
_MOST = 500


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelsAnswer:
    """An answer to the question for the models. `models` None: it was no list; `form` says what the body was instead.

    `form`: list, envelope (the gateway's own), openai, json, text, page, empty.
    """

    status: int
    models: tuple[str, ...] | None = None
    form: str = "list"
    blocked: bool = False


def read_models(answer: Answer) -> ModelsAnswer:
    """The list, or in which form there was none."""
    body = _body(answer)
    data = body.get("data") if isinstance(body, Mapping) else None
    if answer.status == _OK and isinstance(data, list):
        names = (each.get("id") for each in data[:_MOST] if isinstance(each, Mapping))
        return ModelsAnswer(
            status=answer.status, models=tuple(clamp(name, 100) for name in names if isinstance(name, str))
        )
    return ModelsAnswer(status=answer.status, form=_form(answer, body), blocked=answer.blocked)


def _body(answer: Answer) -> object:
    try:
        return answer.json()
    except Garbled:
        return None


def _form(answer: Answer, body: object) -> str:
    if not answer.body.strip():
        return "empty"
    if isinstance(body, Mapping):
        if "error" not in body:
            return "json"
        return "envelope" if body.get("status") == "failure" else "openai"
    return "page" if answer.media_type == "text/html" else "json" if body is not None else "text"
