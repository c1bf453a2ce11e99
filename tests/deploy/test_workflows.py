"""What the forge runs is pinned, may do only what it must, and names only what is there; `make lint-workflows` knows the rest."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

ROOT = Path(__file__).parents[2]
WORKFLOWS = sorted((ROOT / ".github" / "workflows").glob("*.yml"))
EVERY_WORKFLOW = pytest.mark.parametrize("workflow", WORKFLOWS, ids=lambda path: path.name)

MAY_WRITE = {
    ("locks", "upgrade"): {"contents", "pull-requests"},
    ("release", "package"): {"id-token"},
    ("release", "image"): {"packages", "id-token", "attestations"},
    ("release", "chart"): {"packages", "id-token"},
    ("release", "release"): {"contents", "id-token", "attestations"},
}
"""Which job may write what; every other one only reads the source."""


def jobs(workflow: Path) -> dict[str, Any]:
    """By name, as they are written."""
    read: dict[str, Any] = yaml.safe_load(workflow.read_text())
    assert read["permissions"] == {}, "nothing is allowed to all jobs"
    found: dict[str, Any] = read["jobs"]
    return found


def steps(workflow: Path) -> Iterator[dict[str, Any]]:
    """Of every job."""
    for job in jobs(workflow).values():
        yield from job["steps"]


def targets() -> set[str]:
    """What `make` can make."""
    return set(re.findall(r"^([a-z0-9-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))


@EVERY_WORKFLOW
def test_every_action_is_pinned_by_its_commit(workflow: Path) -> None:
    """A tag can be moved to other code, a commit cannot; the version stands beside it, for people and for Renovate."""
    used = re.findall(r"uses: *(.+)$", workflow.read_text(), re.MULTILINE)
    assert used
    assert [line for line in used if not re.fullmatch(r"[\w-]+/[\w/-]+@[0-9a-f]{40} # v\d+\.\d+\.\d+", line)] == []


def test_an_action_has_one_version_everywhere() -> None:
    """An upgrade that forgets one workflow, or the example in the guide, is none."""
    pages = [*WORKFLOWS, ROOT / "docs" / "operating.md"]
    used = {line for path in pages for line in re.findall(r"uses: *(.+)$", path.read_text(), re.MULTILINE)}
    assert len({line.partition("@")[0] for line in used}) == len(used)


@EVERY_WORKFLOW
def test_a_job_may_do_only_what_it_must(workflow: Path) -> None:
    """Each says what it may; writing is by the table above."""
    for name, job in jobs(workflow).items():
        granted = job["permissions"]
        assert {scope for scope, how in granted.items() if how == "write"} == MAY_WRITE.get(
            (workflow.stem, name), set()
        )
        assert {scope for scope, how in granted.items() if how != "write"} <= {"contents"}
        assert job["timeout-minutes"] <= 90


@EVERY_WORKFLOW
def test_no_token_stays_in_the_checkout_and_no_foreign_text_becomes_a_command(workflow: Path) -> None:
    """What is built could read a token of the checkout; a name of a branch could be a command."""
    for step in steps(workflow):
        if step.get("uses", "").startswith("actions/checkout@"):
            assert step["with"]["persist-credentials"] is False
        assert "${{" not in step.get("run", "")


@EVERY_WORKFLOW
def test_what_a_workflow_runs_is_there(workflow: Path) -> None:
    """Targets of the Makefile, and scripts."""
    commands = "\n".join(step.get("run", "") for step in steps(workflow))
    named = {word for line in re.findall(r"\bmake ((?:[\w=.$\"-]+ ?)+)", commands) for word in line.split()}
    assert {word for word in named if re.fullmatch(r"[a-z][a-z0-9-]+", word)} <= targets()
    assert [path for path in re.findall(r"^\.\S+/run$", commands, re.MULTILINE) if not (ROOT / path).exists()] == []


def test_a_release_is_tested_before_anything_is_published() -> None:
    """Every job that publishes waits, directly or not, for the one that tests; only a tag starts them."""
    release = ROOT / ".github" / "workflows" / "release.yml"
    assert 'on:\n  push:\n    tags: ["v*"]\n' in release.read_text()
    needs = {name: job.get("needs", []) for name, job in jobs(release).items()}
    assert needs == {
        "build": [],
        "package": "build",
        "image": "build",
        "chart": "image",
        "release": ["package", "image", "chart"],
    }
    tested = "\n".join(step.get("run", "") for step in jobs(release)["build"]["steps"])
    for target in ("release-check", "check", "release-test", "image-test"):
        assert re.search(rf"^make (?:--silent )?{target}\b", tested, re.MULTILINE), target


def test_the_published_chart_names_the_published_image() -> None:
    """Its default in a checkout can be pulled from nowhere: the line that the workflow replaces is there, once."""
    (command,) = (
        step["run"]
        for step in jobs(ROOT / ".github" / "workflows" / "release.yml")["chart"]["steps"]
        if "helm package" in step.get("run", "")
    )
    (replaced,) = re.findall(r'sed --in-place "s\|\^(.+?)\$\|', command.partition("helm package")[0])
    (values,) = re.findall(r"^values=(\S+)$", command, re.MULTILINE)
    assert (ROOT / values).read_text().splitlines().count(replaced) == 1


def test_a_hook_of_pre_commit_is_a_target_of_the_makefile() -> None:
    """So no hook has another opinion than `make check`, and none fetches anything."""
    read = yaml.safe_load((ROOT / ".pre-commit-config.yaml").read_text())
    (local,) = read["repos"]
    assert local["repo"] == "local"
    assert {hook["language"] for hook in local["hooks"]} == {"system"}
    assert {hook["entry"].removeprefix("make ") for hook in local["hooks"]} <= targets()


def test_the_base_image_is_pinned_by_its_digest() -> None:
    """The same commit gives the same image; a tag moves."""
    (base,) = re.findall(r"^ARG PYTHON_IMAGE=(.+)$", (ROOT / "Dockerfile").read_text(), re.MULTILINE)
    assert re.fullmatch(r"docker\.io/library/python:3\.\d+-slim@sha256:[0-9a-f]{64}", base)


def test_a_report_of_a_bug_comes_with_what_the_doctor_says() -> None:
    """What only the reporter's tenant can answer, redacted."""
    form = yaml.safe_load((ROOT / ".github" / "ISSUE_TEMPLATE" / "1-bug.yml").read_text())
    (doctor,) = (field for field in form["body"] if field.get("id") == "doctor")
    assert "trace-monitor doctor --record" in doctor["attributes"]["description"]
    assert doctor["validations"]["required"] is True


def test_the_image_can_be_built_with_every_lock_that_the_documentation_names() -> None:
    """What `.dockerignore` keeps out is not there to be installed."""
    allowed = (ROOT / ".dockerignore").read_text().splitlines()
    documented = re.findall(r"--build-arg LOCK=([\w-]+)", (ROOT / "docs" / "slack-buttons.md").read_text())
    assert documented == ["slack-socket"]
    assert {f"!requirements/{lock}.txt" for lock in ("runtime", "build", *documented)} <= set(allowed)
