"""What is published beside the package: the SBOM and the licences, of exactly what the package brings along."""

import json
import re
import subprocess
from pathlib import Path
from typing import Any

import pytest
from packaging.markers import Marker
from packaging.utils import canonicalize_name

from monitor.version import VERSION

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(120)]

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def documents() -> Path:
    """Where they are, made anew."""
    command = ["make", "--no-print-directory", "sbom", "licenses"]
    done = subprocess.run(command, cwd=ROOT, check=False, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    return ROOT / "dist"


def pins() -> dict[str, str]:
    """What the lock installs on this system."""
    lock = (ROOT / "requirements" / "runtime.txt").read_text()
    found = re.findall(r"^([\w.-]+)==([^\s;]+)(?: ; ([^\\]+))? \\$", lock, re.MULTILINE)
    return {
        canonicalize_name(name): version for name, version, marker in found if not marker or Marker(marker).evaluate()
    }


def test_the_sbom_lists_what_the_package_brings_along(documents: Path) -> None:
    """The same versions as the lock, each by its package URL; of this machine nothing stands in it."""
    text = (documents / "sbom.cdx.json").read_text()
    sbom: dict[str, Any] = json.loads(text)
    root = sbom["metadata"]["component"]
    assert (sbom["bomFormat"], root["name"], root["version"]) == ("CycloneDX", "gateway-trace-monitor", VERSION)
    components = {canonicalize_name(one["name"]): one for one in sbom["components"]}
    assert {name: one["version"] for name, one in components.items()} == pins()
    for name, one in components.items():
        assert one["purl"] == f"pkg:pypi/{name}@{one['version']}"
    (direct,) = (one["dependsOn"] for one in sbom["dependencies"] if one["ref"] == root["bom-ref"])
    assert len(direct) > 10
    assert str(ROOT) not in text
    assert str(Path.home()) + "/" not in text


def test_the_licences_are_listed_with_their_texts(documents: Path) -> None:
    """A row and a text for each package; no licence is unknown."""
    text = (documents / "licenses.txt").read_text()
    _, table, _ = re.split(r"\n\n+", text, maxsplit=2)
    rows = dict(re.findall(r"^(\S+) +\S+ +(\S.*)$", table, re.MULTILINE))
    assert {canonicalize_name(name) for name in rows} == set(pins())
    assert "unknown" not in rows.values()
    assert text.count("\n=== ") == len(rows)
