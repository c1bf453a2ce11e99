# ruff: noqa: T201 - it prints
"""`make licenses`: the licences of what the program brings along, with their texts, for `dist/licenses.txt`.

The argument is the Python environment to look at. Each package says its licence itself, in its metadata.
"""

import re
import sys
from collections.abc import Iterator
from importlib.metadata import Distribution, distributions
from pathlib import Path

OWN = "gateway-trace-monitor"

PERMISSIVE = frozenset({"Apache-2.0", "BSD-2-Clause", "BSD-3-Clause", "ISC", "MIT", "PSF-2.0"})
NOT_PERMISSIVE_BUT_USED = {
    "certifi": "MPL-2.0",  # Mozilla's list of certificate authorities: used unchanged, and only its own files are under it
}

_FIELDS = ("License-Expression", "License", "Classifier")  # the clearest first
_SPDX = re.compile(r"[A-Za-z0-9.+-]+(?: (?:AND|OR) [A-Za-z0-9.+-]+)*")
_IN_OTHER_WORDS = {
    "3-Clause BSD License": "BSD-3-Clause",
    "Apache 2.0": "Apache-2.0",
    "License :: OSI Approved :: BSD License": "BSD-3-Clause",
    "License :: OSI Approved :: MIT License": "MIT",
}


def license_of(package: Distribution) -> str:
    """As an SPDX expression; empty if it says none that is known here."""
    stated: list[str] = [said for field in _FIELDS for said in package.metadata.get_all(field, [])]
    for said in stated:
        spdx = _IN_OTHER_WORDS.get(said, said)
        if _SPDX.fullmatch(spdx):
            return spdx
    return ""


def is_accepted(name: str, expression: str) -> bool:
    """Whether what a package is under may be shipped: each part of it is permissive, or the package is named above."""
    parts = re.split(r" (?:AND|OR) ", expression)
    return PERMISSIVE.issuperset(parts) or NOT_PERMISSIVE_BUT_USED.get(name) == expression


def texts_of(package: Distribution) -> Iterator[str]:
    """The texts of its licences and notices, as it brings them."""
    for file in sorted(package.files or (), key=str):
        if re.match(r"(?:licen[cs]e|copying|notice)", file.name, re.IGNORECASE) and file.suffix not in {".py", ".pyc"}:
            yield file.read_text(encoding="utf-8").strip()


def main(environment: Path) -> int:
    """Print a table and then every text; 1 if something is under a licence that is not accepted."""
    (site,) = environment.glob("lib/python3*/site-packages")
    packages = {package.name: package for package in distributions(path=[str(site)]) if package.name != OWN}
    names = sorted(packages, key=str.lower)
    refused = [name for name in names if not is_accepted(name, license_of(packages[name]))]
    print(f"What {OWN} brings along, and under which licence.\n")
    for name in names:
        print(f"{name:32} {packages[name].version:14} {license_of(packages[name]) or 'unknown'}")
    for name in names:
        print(f"\n\n=== {name} {packages[name].version}\n")
        print("\n\n".join(texts_of(packages[name])) or f"(it brings no text: {license_of(packages[name])})")
    if refused:
        print(f"licences that are not accepted: {', '.join(refused)} (tools/licenses.py)", file=sys.stderr)
    return 1 if refused else 0


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1])))
