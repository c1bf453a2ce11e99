"""The house rules that neither the layer contracts of pyproject.toml nor the linters can express."""

import ast
import re
import sys
import tomllib
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[1]
PRODUCT = sorted((ROOT / "monitor").rglob("*.py"))
CORE = sorted((ROOT / "monitor" / "core").rglob("*.py"))
TESTS = sorted((ROOT / "tests").rglob("*.py"))

# What a pure decision may be made of. Nothing here reads a clock, draws a number, waits, writes or asks.
PURE = {
    "base64", "collections", "dataclasses", "datetime", "enum", "fnmatch", "functools", "hashlib", "hmac", "ipaddress", "itertools",
    "json", "math", "re", "types", "typing", "unicodedata", "zoneinfo",
}  # fmt: skip

LONGEST = 450

BROAD_EXCEPTS = {
    "monitor/daemon/daemon.py": "a listener must not stop the checks",
    "monitor/cli/run.py": "a crash must leave a traceback and exit with 1",
    "monitor/runner.py": "a bug in a check must not end the daemon",
    "monitor/store/sqlite.py": "nobody may wait for ever for a write, and the thread of the database goes on",
}


def _name(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


@cache  # each rule about the program walks all of it
def _tree(path: Path) -> ast.Module:
    return ast.parse(path.read_text(), filename=_name(path))


def _imports(path: Path) -> Iterator[str]:
    for node in ast.walk(_tree(path)):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{_name(path)}: relative imports hide which layer is meant"
            yield node.module or ""


def _contracts() -> list[dict[str, Any]]:
    pyproject = tomllib.loads((ROOT / "pyproject.toml").read_text())
    contracts: list[dict[str, Any]] = pyproject["tool"]["importlinter"]["contracts"]
    return contracts


def test_core_is_made_of_pure_things() -> None:
    """No module of core imports anything but core and the harmless part of the standard library."""
    impure = {
        (_name(path), name)
        for path in CORE
        for name in _imports(path)
        if name.split(".")[0] not in PURE and not name.startswith("monitor.core")
    }
    assert impure == set()


def test_every_foreign_package_has_a_home() -> None:
    """What is imported from outside the standard library is named by a contract, which says who may."""
    homes = {name for contract in _contracts() for name in contract.get("protected_modules", ())}
    foreign = {
        top
        for path in PRODUCT
        for name in _imports(path)
        if (top := name.split(".")[0]) != "monitor" and top not in sys.stdlib_module_names
    }
    assert foreign - homes == set()


def test_a_module_can_be_read_at_one_sitting() -> None:
    """No module is longer than 450 lines, nor is a test."""
    assert [_name(path) for path in (*PRODUCT, *TESTS) if len(path.read_text().splitlines()) > LONGEST] == []


def test_nobody_swallows_every_error() -> None:
    """Only the guards, whose reasons stand above, catch everything and go on."""
    assert {_name(path) for path in PRODUCT if _swallows_everything(path)} == BROAD_EXCEPTS.keys()


def _swallows_everything(path: Path) -> bool:
    """Whether a handler catches every exception and does not raise it again."""
    return any(
        isinstance(node, ast.ExceptHandler)
        and (node.type is None or (isinstance(node.type, ast.Name) and node.type.id in {"Exception", "BaseException"}))
        and not any(isinstance(inner, ast.Raise) for inner in ast.walk(node))
        for node in ast.walk(_tree(path))
    )


def test_a_module_says_what_it_is_for() -> None:
    """Every module of the program opens with a docstring."""
    assert [_name(path) for path in PRODUCT if not ast.get_docstring(_tree(path))] == []


def test_a_test_states_its_fact() -> None:
    """Every test function has a docstring that says what is true."""
    silent = [
        f"{_name(path)}::{node.name}"
        for path in TESTS
        for holder in _holders_of_tests(_tree(path))
        for node in holder.body
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
        and node.name.startswith("test_")
        and not ast.get_docstring(node)
    ]
    assert silent == []


def _holders_of_tests(tree: ast.Module) -> Iterator[ast.Module | ast.ClassDef]:
    """Where pytest looks for them: in the module, and in its classes."""
    yield tree
    yield from (node for node in tree.body if isinstance(node, ast.ClassDef))


def test_a_test_patches_nothing() -> None:
    """What a test replaces, it hands in: no mocks, no patched modules (an environment variable is no module)."""
    patching = re.compile(r"unittest\.mock|monkeypatch\.(?:setattr|delattr)")
    assert [_name(path) for path in TESTS if path != Path(__file__) and patching.search(path.read_text())] == []
