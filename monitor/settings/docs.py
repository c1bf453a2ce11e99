"""What each setting is, read from the text below its field. Done only when somebody asks, because it parses the sources."""

import ast
import inspect
import textwrap
from functools import cache
from itertools import pairwise

from pydantic import BaseModel


@cache
def descriptions(model: type[BaseModel]) -> dict[str, str]:
    """The description of each field of a model, by name; none where the program was installed without its sources."""
    try:
        (node,) = ast.parse(textwrap.dedent(inspect.getsource(model))).body
    except OSError:
        return {}
    found: dict[str, str] = {}
    body = node.body if isinstance(node, ast.ClassDef) else []
    for statement, following in pairwise(body):
        if not isinstance(statement, ast.AnnAssign) or not isinstance(statement.target, ast.Name):
            continue
        if isinstance(following, ast.Expr) and isinstance(following.value, ast.Constant):
            found[statement.target.id] = " ".join(str(following.value.value).split())
    return found


def describe(model: type[BaseModel], name: str) -> str:
    """What a field is, in a sentence without its full stop; empty if nothing is written."""
    return descriptions(model).get(name, "").rstrip(".")
