"""Write wheels anew, compressed by Zopfli: what any pip unpacks, in 3 % fewer bytes, after 20 seconds each.

python tools/smaller_wheel.py dist                               every wheel in a folder
"""

from __future__ import annotations

import argparse
import pathlib
import sys
import zipfile


def smaller(wheel: pathlib.Path) -> int:
    """Compress a wheel anew, file by file in their order, and return how many bytes it has then."""
    try:
        import zopfli
    except ImportError:
        raise SystemExit("there is no Zopfli here: pip install zopflipy") from None
    made = wheel.with_suffix(".smaller")
    with zipfile.ZipFile(wheel) as old, zopfli.ZipFile(made, "w", encoding="utf-8") as new:
        for entry in old.infolist():
            new.writestr(entry, old.read(entry))
    made.replace(wheel)
    return wheel.stat().st_size


def main(arguments: list[str]) -> int:
    """Compress the wheels of a folder, and print their names and sizes."""
    parser = argparse.ArgumentParser(prog="smaller_wheel.py", description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("folder", metavar="FOLDER", type=pathlib.Path)
    folder = parser.parse_args(arguments).folder
    wheels = sorted(folder.glob("*.whl"))
    if not wheels:
        parser.error(f"{folder}: there is no wheel")
    for wheel in wheels:
        print(f"{wheel.name}: {smaller(wheel)} bytes")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
