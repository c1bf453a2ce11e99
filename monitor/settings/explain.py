"""pydantic's complaints, as sentences that name a place, a path, what is wrong and what is allowed."""

from collections.abc import Mapping
from typing import Any

from pydantic import ValidationError
from pydantic_core import ErrorDetails

from monitor.settings.docs import describe
from monitor.settings.environment import variable
from monitor.settings.problem import Path, Problem, did_you_mean
from monitor.settings.provenance import Provenance
from monitor.settings.shape import TWIN, Fields, Many, Shape, Table, is_twinned, settings_shape

_SENTENCES = {
    "bool_parsing": "is not a switch; allowed: true, false",
    "bool_type": "is not a switch; allowed: true, false",
    "int_parsing": "is not a whole number",
    "int_parsing_size": "is not a whole number of a reasonable size",
    "int_from_float": "is not a whole number",
    "int_type": "is not a whole number",
    "float_parsing": "is not a number",
    "float_type": "is not a number",
    "string_type": "is not a text",
    "greater_than_equal": "is too small; allowed: at least {ge}",
    "less_than_equal": "is too large; allowed: at most {le}",
}


def explain(error: ValidationError, provenance: Provenance, fallback: str) -> list[Problem]:
    """One problem per complaint. `fallback`: the place of what was given nowhere.

    A complaint about a value that was made from another one follows from that one, so it is left out where there are others.
    """
    problems: list[Problem] = []
    consequences: list[Problem] = []
    for details in error.errors(include_url=False):
        path = tuple(part for part in details["loc"] if part != "[key]")
        problem = Problem(
            place=provenance.place(path, fallback), path=provenance.as_given(path), what=_sentence(details, path)
        )
        derived = provenance.where(path) is None and getattr(shape_at(path), "derived", None)
        (consequences if derived and details["type"] != "missing" else problems).append(problem)
    return problems or consequences


def _sentence(details: ErrorDetails, path: Path) -> str:
    kind, context = details["type"], details.get("ctx", {})
    if kind == "missing":
        return _missing(path)
    if kind in {"literal_error", "enum"}:
        return _choice(details, context)
    if kind in _SENTENCES:
        return _SENTENCES[kind].format(**context)
    if "what" in context or "why" in context or kind == "duration":
        return str(details["msg"])
    return "is not allowed here"


def _choice(details: ErrorDetails, context: Mapping[str, Any]) -> str:
    allowed = str(context.get("expected", "")).replace("'", "").replace(" or ", ", ")
    guess = did_you_mean(str(details["input"]), allowed.split(", "))
    hint = f"did you mean `{guess}`? " if guess else ""
    return f"is not one of the words allowed here; {hint}allowed: {allowed}"


def _missing(path: Path) -> str:
    name = str(path[-1])
    parent = shape_at(path[:-1])
    text = "is missing"
    if isinstance(parent, Fields):
        described = describe(parent.model, name)
        text += f" ({described[:1].lower()}{described[1:]})" if described else ""
        twin = f", `{name}{TWIN}`" if is_twinned(parent.of.get(name)) else ""
        text += f"; give `{name}`{twin} or the variable {variable(path)}"
        rule = getattr(parent.of.get(name), "derived", None)
        text += f"; its default would be {rule}" if rule else ""
    return text


def shape_at(path: Path) -> Shape | None:
    """The shape of what stands at a path."""
    shape: Shape | None = settings_shape()
    for part in path:
        match shape:
            case Fields(of=of):
                shape = of.get(str(part))
            case Table(value=inner) | Many(item=inner):
                shape = inner
            case _:
                return None
    return shape
