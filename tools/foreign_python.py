"""A Python for aarch64 on another machine: Debian's, unpacked into a folder, run by QEMU.

Nothing is installed: apt-get has a state of its own in the folder, and takes the mirrors that this Debian takes.
"""

from __future__ import annotations

import pathlib
import shutil
import subprocess

QEMU = "qemu-aarch64"
NEEDED = (QEMU, "apt-get", "dpkg")
LISTS = ("sources.list", "sources.list.d/debian.sources")  # Debian's own, before and after bookworm


class UnavailableError(Exception):
    """There is no such Python to be had here, and why."""


def lacking() -> str | None:
    """What this machine lacks, if anything."""
    lost = [name for name in NEEDED if not shutil.which(name)]
    return f"there is no {' and no '.join(lost)} here (on Debian: apt-get install qemu-user)" if lost else None


def apt(folder: pathlib.Path, *words: str) -> None:
    """Apt for arm64, on lists and a cache of its own."""
    state = folder / "apt"
    for name in ("lists/partial", "cache/archives/partial", "sources"):
        (state / name).mkdir(parents=True, exist_ok=True)
    for name in LISTS:
        source = pathlib.Path("/etc/apt", name)
        if source.exists():
            shutil.copy(source, state / "sources" / source.name.replace("sources.list", "debian.list"))
    (state / "status").touch()
    options = {
        "APT::Architecture": "arm64",
        "APT::Architectures": "arm64",
        "APT::Sandbox::User": "",
        "Debug::NoLocking": "1",
        "Dir::State": state,
        "Dir::State::status": state / "status",
        "Dir::Cache": state / "cache",
        "Dir::Etc::sourcelist": "/dev/null",
        "Dir::Etc::sourceparts": state / "sources",
    }
    command = ["apt-get", "-q", *(word for key, value in options.items() for word in ("-o", f"{key}={value}"))]
    done = subprocess.run([*command, *words], capture_output=True, text=True, check=False)
    if done.returncode:
        raise UnavailableError(f"apt-get {words[0]}: {done.stderr.strip()[-300:]}")


def unpacked(folder: pathlib.Path) -> list[str]:
    """Debian's Python for arm64 in ``folder``: the command that runs it, to which arguments can be added.

    Raises
    ------
    UnavailableError
        This is not Debian, has no QEMU, or reaches no mirror.
    """
    missing = lacking()
    if missing:
        raise UnavailableError(missing)
    apt(folder, "update")
    apt(folder, "install", "--download-only", "--no-install-recommends", "-y", "python3", "libstdc++6")
    root = folder / "root"
    for package in sorted((folder / "apt" / "cache" / "archives").glob("*.deb")):
        subprocess.run(["dpkg", "-x", str(package), str(root)], check=True)
    return [QEMU, "-L", str(root), str(root / "usr" / "bin" / "python3")]
