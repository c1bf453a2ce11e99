# ruff: noqa: S603, T201 - it starts the build and git, and prints
"""`make dist`: the sdist and the wheel in `dist/`, the same bytes from the same commit by the same Python.

The sdist holds what the program is made of, and no file that lies about. setuptools writes the clock, the user and the modes of this
machine into it, so it is packed again without them. The wheel is built from the sdist, not from this directory.
"""

import gzip
import io
import os
import shutil
import subprocess
import sys
import tarfile
from pathlib import Path
from tempfile import TemporaryDirectory

ROOT = Path(__file__).parents[1]
DIST = ROOT / "dist"
SHIPPED = ("pyproject.toml", "README.md", "LICENSE", "monitor")
_FIRST_OF_ZIP = 315_532_800  # 1980: a wheel is a zip file, which knows no earlier date


def main() -> None:
    """Build both, print what was made."""
    epoch = _epoch()
    os.umask(0o022)  # modes are a part of a wheel
    environment = {**os.environ, "SOURCE_DATE_EPOCH": str(epoch), "PIP_DISABLE_PIP_VERSION_CHECK": "1"}
    DIST.mkdir(exist_ok=True)
    for earlier in DIST.glob("gateway_trace_monitor-*"):
        earlier.unlink()
    with TemporaryDirectory() as name:
        source = Path(name) / "source"
        source.mkdir()
        for shipped in SHIPPED:
            _copy(ROOT / shipped, source / shipped)
        _build("--sdist", source, Path(name), environment)
        (packed,) = Path(name).glob("*.tar.gz")
        sdist = DIST / packed.name
        sdist.write_bytes(pack_again(packed.read_bytes(), epoch))
        with tarfile.open(sdist) as archive:
            archive.extractall(Path(name) / "unpacked", filter="data")
        (unpacked,) = (Path(name) / "unpacked").iterdir()
        _build("--wheel", unpacked, DIST, environment)
    for made in sorted(DIST.glob("gateway_trace_monitor-*")):
        print(f"dist/{made.name}  {made.stat().st_size:,} bytes")


def pack_again(archive: bytes, epoch: int) -> bytes:
    """The same files in the order of their names, all of one time, of nobody, with the usual modes."""
    with tarfile.open(fileobj=io.BytesIO(archive)) as before:
        files = {member.name: member for member in before.getmembers() if member.isfile()}
        packed = io.BytesIO()
        with tarfile.open(fileobj=packed, mode="w", format=tarfile.PAX_FORMAT) as after:
            for name, member in sorted(files.items()):
                plain = tarfile.TarInfo(name)
                plain.size, plain.mtime, plain.mode = member.size, epoch, 0o644
                after.addfile(plain, before.extractfile(member))
    return gzip.compress(packed.getvalue(), mtime=epoch)


def _epoch() -> int:
    """The time that everything gets: what the caller says, else that of the last commit."""
    given = os.environ.get("SOURCE_DATE_EPOCH")
    if given is None:
        command = ["git", "log", "-1", "--format=%ct"]
        asked = subprocess.run(command, cwd=ROOT, check=False, capture_output=True, text=True)
        given = asked.stdout.strip() or str(_FIRST_OF_ZIP)  # an unpacked archive has no commits
    return max(int(given), _FIRST_OF_ZIP)


def _copy(source: Path, target: Path) -> None:
    if source.is_dir():
        shutil.copytree(source, target, ignore=shutil.ignore_patterns("__pycache__"))
    else:
        shutil.copy2(source, target)


def _build(what: str, source: Path, target: Path, environment: dict[str, str]) -> None:
    """Without isolation: what builds is installed already, by hash."""
    command = [sys.executable, "-m", "build", "--no-isolation", what, "--outdir", str(target), str(source)]
    done = subprocess.run(command, env=environment, check=False, capture_output=True, text=True)
    if done.returncode:
        sys.exit(done.stdout + done.stderr)


if __name__ == "__main__":
    main()
