"""``docs/pictures``: the files are what the scripts draw, can be read, and are described by words that are true."""

from __future__ import annotations

import html
import importlib
import itertools
import pathlib
import re
import xml.etree.ElementTree as ET
from types import ModuleType
from typing import Any

import pytest

HOME = pathlib.Path(__file__).parents[1]
FOLDER = HOME / "docs" / "pictures"
pytestmark = [
    pytest.mark.skipif(not FOLDER.is_dir(), reason="docs/ is in the source tree only"),
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),  # matplotlib 3.9 uses names that newer pyparsing calls otherwise
]

SCRIPTS = ("ulp", "differing", "time_by_length", "jacobians", "trainer")
PLACES = {
    "ulp": "arithmetic",
    "differing": "peers",
    "time-by-length": "speed",
    "jacobians": "the-question",
    "trainer": "trainer-equals-server",
}
CHANGES: dict[str, Any] = {  # a figure of each picture, and another that is seen at a glance
    "ulp": (lambda data: data["spread"]["torch"].__setitem__(12, 40.0)),
    "differing": (lambda data: data["percent"][7].__setitem__(0, 81.8)),
    "time_by_length": (lambda data: data["forward"]["lsmx"].__setitem__(1000, 0.9)),
    "jacobians": (lambda data: data["its diagonal only"][0].__setitem__(1, 0.1)),
    "trainer": (lambda data: data["float32"]["torch - JAX"]["percent"].__setitem__(25, 12.0)),
}
Drawn = tuple[list[str], dict[str, tuple[list[float], set[str]]]]


@pytest.fixture
def drawing(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    pytest.importorskip("matplotlib")
    monkeypatch.syspath_prepend(FOLDER)
    return importlib.import_module("drawing")


def script(name: str) -> tuple[ModuleType, Any]:
    """A script, and the figures that it draws."""
    module = importlib.import_module(name)
    return module, module.read() if hasattr(module, "read") else importlib.import_module("drawing").figures(module.NAME)


def drawn(svg: str) -> Drawn:
    """The texts of a picture in their order, and of everything that has a name the coordinates and the colours."""
    root = ET.fromstring(svg, ET.XMLParser(target=ET.TreeBuilder(insert_comments=True)))
    texts = [node.text.strip() for node in root.iter(ET.Comment) if node.text]  # type: ignore[arg-type]
    shapes = {}
    for group in root.iter("{http://www.w3.org/2000/svg}g"):
        if group.get("id", "").startswith("drawn-"):
            nodes = list(group.iter())
            said = " ".join(node.get(key, "") for node in nodes for key in ("d", "x", "y"))
            numbers = [float(number) for number in re.findall(r"-?\d+(?:\.\d+)?(?:e-?\d+)?", said)]
            shapes[group.get("id", "")] = (
                numbers,
                set(re.findall(r"#[0-9a-f]{6}\b", " ".join(node.get("style", "") for node in nodes))),
            )
    return texts, shapes


def differences(a: Drawn, b: Drawn) -> list[str]:
    """What two pictures do not share, to a tenth of a point."""
    found = [f"{x!r} in place of {y!r}" for x, y in itertools.zip_longest(a[0], b[0]) if x != y]
    for name in sorted(a[1].keys() | b[1].keys()):
        (x, of_x), (y, of_y) = a[1].get(name, ([], set())), b[1].get(name, ([], set()))
        if len(x) != len(y) or of_x != of_y or any(abs(p - q) > 0.1 for p, q in zip(x, y, strict=True)):
            found.append(name)
    return found


@pytest.mark.parametrize("name", SCRIPTS)
def test_pictures_are_what_the_scripts_draw(drawing: ModuleType, name: str) -> None:
    """In both themes; and a figure that has changed is seen."""
    module, data = script(name)
    for theme in drawing.THEMES:
        kept = drawn((FOLDER / f"{module.NAME}-{theme.name}.svg").read_text(encoding="utf-8"))
        assert len(kept[0]) > 10
        assert len(kept[1]) > 10
        assert differences(kept, drawn(drawing.svg(module.draw, data, theme))) == [], f"python docs/pictures/{name}.py"
    CHANGES[name](data)
    assert differences(kept, drawn(drawing.svg(module.draw, data, theme)))


def test_the_same_picture_is_the_same_text(drawing: ModuleType) -> None:
    module, data = script("jacobians")
    light, dark = (drawing.svg(module.draw, data, theme) for theme in drawing.THEMES)
    assert light == drawing.svg(module.draw, data, drawing.THEMES[0])
    assert light != dark


def unreadable(figure: Any, least: float) -> list[str]:
    """Texts that are small, cut off, or on each other."""
    from matplotlib.text import Text

    figure.canvas.draw()
    page = figure.bbox
    boxes = []
    found = []
    for text in figure.findobj(Text):
        if not text.get_text().strip() or not text.get_visible():
            continue
        box = text.get_window_extent()
        if not (page.x0 <= box.x0 and box.x1 <= page.x1 and page.y0 <= box.y0 and box.y1 <= page.y1):
            found.append(f"cut off: {text.get_text()}")
        if text.get_size() < least:
            found.append(f"small: {text.get_text()}")
        boxes.append((text.get_text(), box))
    return found + [f"{a} on {b}" for (a, x), (b, y) in itertools.combinations(boxes, 2) if x.overlaps(y)]


@pytest.mark.parametrize("name", SCRIPTS)
def test_every_word_can_be_read(drawing: ModuleType, name: str) -> None:
    module, data = script(name)
    with drawing.mpl.rc_context(drawing.styles(drawing.THEMES[0])):
        figure = module.draw(data, drawing.THEMES[0])
        assert unreadable(figure, drawing.SMALL) == []
        figure.text(0.93, 0.5, "longer than the room", size=drawing.SMALL - 1)
        figure.text(0.94, 0.5, "on it")
        found = unreadable(figure, drawing.SMALL)
        assert {"cut off: longer than the room", "small: longer than the room", "longer than the room on on it"} <= {*found}
        drawing.plt.close(figure)


SHOWN = re.compile(
    r'<picture>\n<source [^\n]*srcset="([^"]+)">\n<img alt="([^"]+)" src="([^"]+)">\n</picture>\n\n\*(.+?)\*\n\n', re.DOTALL
)
README = {
    pathlib.Path(light).stem.removesuffix("-light"): (dark, alt, light, caption)
    for dark, alt, light, caption in SHOWN.findall((FOLDER / "README.md").read_text(encoding="utf-8") + "\n")
}


def test_pages_show_pictures_with_their_words() -> None:
    assert sorted(README) == sorted(name.replace("_", "-") for name in SCRIPTS)
    for name, (dark, alt, light, caption) in README.items():
        assert (dark, light) == (f"{name}-dark.svg", f"{name}-light.svg")
        assert (FOLDER / dark).is_file()
        assert (FOLDER / light).is_file()
        if name in PLACES:
            page = (HOME / "docs" / f"{PLACES[name]}.md").read_text(encoding="utf-8")
            assert SHOWN.findall(page) == [(f"pictures/{dark}", alt, f"pictures/{light}", caption)]


def test_the_words_are_true(drawing: ModuleType) -> None:
    """What alternative texts and captions say of the figures."""
    ulp, differing, times, jacobians, trainer = (script(name)[1] for name in SCRIPTS)
    spread, shift = ulp["spread"], ulp["shift"]
    assert max(spread["lsmx"] + shift["lsmx"]) < 1.5
    for name in ("torch", "SciPy", "JAX"):
        of = dict(zip(spread["log2"], spread[name], strict=True))
        assert max(of[k] for k in range(-10, 2)) < 1.5 < of[2]
        assert min(of[k] for k in range(5, 11)) > 2**23
        assert max(shift[name]) < 1.5
    assert max(shift["z - logsumexp(z)"]) > 100000
    names = differing["names"]
    share = {(a, b): v for a, row in zip(names, differing["percent"], strict=True) for b, v in zip(names, row, strict=False)}
    assert len(names) == 13
    assert {v for (a, b), v in share.items() if a.startswith("lsmx") and b.startswith("lsmx")} == {0}
    assert [round(share[pair]) for pair in (("JAX", "SciPy"), ("torch", "SciPy"), ("torch, columns permuted", "torch"))] == [
        2,
        91,
        42,
    ]
    turned = {"SciPy, Fortran order", "torch, along axis 0"}
    assert {v for pair, v in share.items() if len(turned & {*pair}) == 1} == {100}
    beside = {"lsmx": ("torch", "SciPy", "JAX, jit"), "lsmx, reused output": ("torch, reused output",)}
    slower = {
        (direction, ours, length)
        for direction, ours in itertools.product(times, beside)
        for length, time in times[direction][ours].items()
        if any(times[direction][other][length] <= time for other in beside[ours] if other in times[direction])
    }
    assert slower == {("backward", "lsmx", 100), ("backward", "lsmx, reused output", 100), ("backward", "lsmx", 1000)}
    assert [round(sum(row), 2) for row in jacobians["its diagonal only"]] == [0.91, 0.76, 0.33]
    assert max(abs(sum(row)) for name in ("log-softmax", "softmax") for row in jacobians[name]) < 0.001
    own = [trainer[dtype]["torch - JAX"] for dtype in ("float32", "bfloat16")]
    assert [(of["least"], of["largest"], of["mean"]) for of in own] == [(-1.31e-6, 5.82e-5, 1.6e-5), (-0.0474, 0.0558, 0.00017)]
    assert {trainer[dtype]["lsmx on torch - lsmx on JAX"]["exactly 0"] for dtype in ("float32", "bfloat16")} == {100}
    errors = trainer["mean error in float32"]
    assert errors["torch"] == 1.6e-5
    assert abs(errors["JAX"]) < 1e-8 > abs(errors["lsmx"])


def test_a_theme_of_sphinx_gets_both_images(drawing: ModuleType) -> None:
    """Every picture of a page becomes two, which a theme chooses from; the rest of the page stays."""
    images = importlib.import_module("for_sphinx").images
    page = (HOME / "docs" / "peers.md").read_text(encoding="utf-8")
    dark, alt, light, _ = SHOWN.findall(page)[0]
    got = images(page)
    assert "<picture>" not in got
    for theme, path in (("light", light), ("dark", dark)):
        assert f"\n\n```{{image}} {path}\n:alt: {html.unescape(alt)}\n:class: only-{theme}\n```\n\n" in got
    assert [part for part in page.split("\n\n") if "<picture>" not in part] == [p for p in got.split("\n\n") if "{image}" not in p]
