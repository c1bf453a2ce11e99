# ruff: noqa: S607, T201 - it asks git, and prints
"""`make size`: how much there is to read, by package: lines and files of Python, and the longest file."""

import subprocess
from collections import defaultdict
from pathlib import Path

ROOT = Path(__file__).parents[1]


def package_of(path: str) -> str:
    """The first two folders: monitor/core, tests/web; a module that lies beside them counts as its folder's own."""
    folders = path.split("/")[:-1]
    return "/".join(folders[:2])


def main() -> None:
    """Print one line for each package that git knows, and the sums."""
    listed = subprocess.run(["git", "ls-files", "*.py"], cwd=ROOT, check=True, capture_output=True, text=True).stdout
    sizes: dict[str, list[tuple[int, str]]] = defaultdict(list)
    for path in listed.split():
        sizes[package_of(path)].append((len((ROOT / path).read_text().splitlines()), path))
    print(f"{'package':24} {'lines':>7} {'files':>6}  longest")
    for package, files in sorted(sizes.items()):
        lines, longest = max(files)
        print(f"{package:24} {sum(count for count, _ in files):7} {len(files):6}  {longest} ({lines})")
    for name, chosen in (
        (
            "the product",
            [f for p, files in sizes.items() if p.startswith("monitor") and p != "monitor/sandbox" for f in files],
        ),
        ("the sandbox", sizes["monitor/sandbox"]),
        ("the tests", [f for p, files in sizes.items() if p.startswith("tests") for f in files]),
    ):
        print(f"{name:24} {sum(count for count, _ in chosen):7} {len(chosen):6}")


if __name__ == "__main__":
    main()
