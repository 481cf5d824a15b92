"""What a build says of itself, and the tools that check it, without an index."""

from __future__ import annotations

import pathlib
import re
import sys
import zipfile

import pytest

from tools import check_dist, check_extras
from tools.package_page import page

HOME = pathlib.Path(__file__).parents[1]
URLS = check_dist.PROJECT["urls"]


@pytest.fixture
def metadata(tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """What a build would write into METADATA."""
    pytest.importorskip("scikit_build_core", reason="scikit-build-core is not installed: pip install 'lsmx[test]'")
    from tools import build_backend

    monkeypatch.chdir(HOME)
    info = build_backend.prepare_metadata_for_build_wheel(str(tmp_path))
    return (tmp_path / info / "METADATA").read_text(encoding="utf-8")


def test_addresses() -> None:
    assert set(URLS) == check_dist.ADDRESSES
    assert all(url.startswith(URLS["Source"]) for url in URLS.values())
    for label, kind in (("Documentation", "tree"), ("Changelog", "blob")):
        assert (HOME / URLS[label].removeprefix(f"{URLS['Source']}/{kind}/main/")).exists()


def test_the_package_page(metadata: str) -> None:
    """Each path of the README's links stands in the description as an address, in the same order."""
    assert check_dist.page_faults(metadata) == []
    text = metadata.partition("\n\n")[2]
    inside = check_dist.LINK.findall(check_dist.FENCES.sub("", (HOME / "README.md").read_text(encoding="utf-8")))
    addresses = check_dist.LINK.findall(check_dist.FENCES.sub("", text))
    assert [re.sub(rf"^{re.escape(URLS['Source'])}/(blob|raw)/main/", "", a) for a in addresses] == inside


def test_paths_become_addresses() -> None:
    given = "[a](docs/a.md#b) ![p](p.png) [c](#d) [e](https://e/f) [g](mailto:h)\n```\n[i](j.md)\n```\n[k](L)"
    assert page(given, "https://s/t") == (
        "[a](https://s/t/blob/main/docs/a.md#b) ![p](https://s/t/raw/main/p.png) [c](#d) [e](https://e/f) [g](mailto:h)\n"
        "```\n[i](j.md)\n```\n[k](https://s/t/blob/main/L)"
    )


def test_faults_of_a_page_are_seen(metadata: str) -> None:
    assert check_dist.page_faults(f"{metadata}\n[a](docs/a.md)\n") == ["a link that leads nowhere from an index: docs/a.md"]
    assert check_dist.page_faults(metadata.replace("Project-URL: Source, ", "Home-page: ")) == ["no address of the source"]
    assert check_dist.page_faults(metadata.replace("Provides-Extra: dask\n", "")) == ["the extras are not those of pyproject.toml"]
    assert check_dist.page_faults(metadata.partition("\n\n")[0] + "\n\n") == ["the README is not the description"]
    real = re.sub(r"(Project-URL: \w+, https://)[^/]*", r"\1forge.org", metadata)
    assert check_dist.page_faults(real, release=True) == []
    reserved = re.sub(r"(Project-URL: Issues, ).*", r"\1https://lsmx.example/issues", real)
    assert check_dist.page_faults(reserved) == []
    assert check_dist.page_faults(reserved, release=True) == ["the address is a placeholder: Issues https://lsmx.example/issues"]


def test_entry_points_lead_to_modules() -> None:
    groups = {"console_scripts": check_dist.PROJECT["scripts"], **check_dist.PROJECT["entry-points"]}
    text = "\n".join(f"[{group}]\n" + "\n".join(f"{k} = {v}" for k, v in members.items()) for group, members in groups.items())
    modules = {value.partition(":")[0].replace(".", "/") for members in groups.values() for value in members.values()}
    names = {f"{module}.py" for module in modules}
    assert check_dist.entry_faults(text, names) == []
    assert check_dist.entry_faults(text, {f"{module}/__init__.py" for module in modules}) == []
    assert check_dist.entry_faults(text, names - {"lsmx/_cli.py"}) == ["an entry point to no module: lsmx._cli:main"]
    (lost,) = check_dist.entry_faults(text.replace("lsmx_pytest", "lsmx/_cli"), names)
    assert lost.startswith("the entry points are not those of pyproject.toml: ")


def test_faults_of_the_core_in_a_wheel_are_seen(tmp_path: pathlib.Path) -> None:
    right, pure = (tmp_path / f"lsmx-0.1.0-{tag}.whl" for tag in ("cp311-abi3-linux_x86_64", "py3-none-any"))
    right.write_bytes(b"wheel")
    pure.write_bytes(bytes(check_dist.LARGEST + 1))
    assert check_dist.core_faults(right, {check_dist.CORE, "lsmx/__init__.py"}) == []
    source = "lsmx/_native/cpu/kernels.cpp"
    assert check_dist.core_faults(pure, {"lsmx/_native/core.cpython-313-x86_64-linux-gnu.so", source}) == [
        "not for every Python from 3.11 on: the tag is not cp311-abi3",
        "the compiled core is missing: lsmx/_native/core.abi3.so",
        "another compiled file: lsmx/_native/core.cpython-313-x86_64-linux-gnu.so",
        f"a source of the core, which an sdist has: {source}",
        "1000001 bytes, more than 1000000",
    ]


def test_a_release_has_wheels_without_the_core_and_without_the_gil(tmp_path: pathlib.Path) -> None:
    pure, free = (tmp_path / f"lsmx-0.1.0-{tag}.whl" for tag in ("py3-none-any", "cp314-cp314t-macosx_11_0_arm64"))
    for path in (pure, free):
        path.write_bytes(b"wheel")
    of_its_own = "lsmx/_native/core.cpython-314t-darwin.so"
    for path, names in ((pure, {"lsmx/__init__.py"}), (free, {of_its_own})):
        assert check_dist.core_faults(path, names, every=True) == []
        assert check_dist.core_faults(path, names)[0] == "not for every Python from 3.11 on: the tag is not cp311-abi3"
    assert check_dist.core_faults(pure, {check_dist.CORE}, every=True) == [f"another compiled file: {check_dist.CORE}"]
    assert check_dist.core_faults(free, {check_dist.CORE}, every=True) == [
        "the compiled core is missing: lsmx/_native/core.cpython-314t-*",
        f"another compiled file: {check_dist.CORE}",
    ]


def test_a_file_that_a_release_lacks_is_named() -> None:
    linux = [f"manylinux2014_{machine}.manylinux_2_17_{machine}" for machine in ("x86_64", "aarch64")]
    platforms = [*linux, "musllinux_1_2_x86_64", "musllinux_1_2_aarch64", "macosx_11_0_x86_64", "macosx_11_0_arm64"]
    names = ["lsmx-0.1.0.tar.gz", "lsmx-0.1.0-py3-none-any.whl"]
    names += [f"lsmx-0.1.0-{tag}-{platform}.whl" for tag in ("cp311-abi3", "cp314-cp314t") for platform in platforms]
    assert check_dist.lacking(names) == []
    for name in names:
        (lost,) = check_dist.lacking([other for other in names if other != name])
        assert re.search(lost.removeprefix("a release lacks "), name)


def test_what_does_not_belong_into_a_wheel_is_seen(tmp_path: pathlib.Path, metadata: str) -> None:
    path = tmp_path / "lsmx-0.1.0-cp311-abi3-linux_x86_64.whl"
    with zipfile.ZipFile(path, "w") as wheel:
        for name in (*check_dist.NEEDED, check_dist.CORE, "lsmx/_cli/__init__.py", "lsmx_pytest.py", "tests/test_contract.py"):
            wheel.writestr(name, "")
        wheel.writestr("lsmx-0.1.0.dist-info/METADATA", metadata)
        wheel.writestr("lsmx-0.1.0.dist-info/entry_points.txt", "")
    found = check_dist.faults(path)
    assert found[:2] == ["unexpected at the top: lsmx_pytest.py", "unexpected at the top: tests"]
    assert [f for f in found[2:] if not f.startswith("the entry points are not")] == []


def pretend(monkeypatch: pytest.MonkeyPatch, stdout: str, stderr: str, status: int) -> None:
    """Have something else answer in uv's place."""
    code = f"import sys; print({stdout!r}); print({stderr!r}, file=sys.stderr); sys.exit({status})"
    monkeypatch.setattr(check_extras, "UV", (sys.executable, "-c", code))


def test_an_index_that_does_not_answer_is_said(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    pretend(monkeypatch, "", "error: Request failed\n  cause: error sending request for url", 2)
    assert check_extras.main() == 0
    assert capsys.readouterr().out == (
        "skipped: the package index cannot be reached: error: Request failed cause: error sending request for url\n"
    )


def test_an_extra_that_does_not_resolve_is_said(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    pretend(monkeypatch, "", "error: No solution found", 1)
    assert check_extras.main() == 1
    assert capsys.readouterr().out.splitlines() == [f"torch on Python {p}: error: No solution found" for p in check_extras.PYTHONS]


def test_an_extra_that_brings_an_old_torch_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    def compiled(python: str, *arguments: str, given: str | None = None) -> tuple[dict[str, str], str]:
        if "--all-extras" in arguments:
            return {}, "no solution"
        return {"torch": "2.6" if "old" in arguments else "3.0"} if "none" not in arguments else {}, ""

    monkeypatch.setattr(check_extras, "compiled", compiled)
    monkeypatch.setattr(check_extras, "PYTHONS", ("3.14",))
    assert check_extras.faults(["old", "new", "none"]) == [
        "[old] on Python 3.14: brings torch 2.6, the newest is 3.0",
        "all extras together on Python 3.14: no solution",
    ]


def test_what_was_resolved_is_read(monkeypatch: pytest.MonkeyPatch) -> None:
    pretend(monkeypatch, "cuda-core==1.2.2\ntorch==2.15.0 ; sys_platform == 'linux'\n", "", 0)
    assert check_extras.compiled("3.12", "-") == ({"cuda-core": "1.2.2", "torch": "2.15.0"}, "")
