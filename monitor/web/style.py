"""The one style sheet, part of every page, named by its hash in the content security policy."""

import base64
import hashlib
from functools import cache
from importlib.resources import files


@cache
def style() -> str:
    """The style sheet."""
    return files("monitor").joinpath("web", "style.css").read_text(encoding="utf-8")


@cache
def content_security_policy() -> str:
    """Nothing may be loaded, run, framed or posted; only this very style sheet applies."""
    digest = base64.b64encode(hashlib.sha256(style().encode()).digest()).decode()
    return (
        f"default-src 'none'; style-src 'sha256-{digest}'; img-src data:; "
        "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    )
