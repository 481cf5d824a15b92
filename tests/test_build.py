"""The build backend: what it fetches, what it does where nothing compiles, what an editable install consists of; and tools."""

from __future__ import annotations

import base64
import hashlib
import importlib
import pathlib
import re
import subprocess
import tarfile
import tomllib
import zipfile
from types import ModuleType
from typing import Any

import pytest

pytest.importorskip("scikit_build_core", reason="scikit-build-core is not installed: pip install 'lsmx[test]'")
from tools import build_backend, check_aarch64, check_dist

HOME = build_backend.HOME
SCIKIT = tomllib.loads((HOME / "pyproject.toml").read_text())["tool"]["scikit-build"]
CPU = HOME / "lsmx" / "_native" / "cpu"
LISTS = (HOME / "CMakeLists.txt").read_text()


@pytest.fixture(autouse=True)
def nothing_named(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("CXX", "CMAKE_EXECUTABLE", "CMAKE_MAKE_PROGRAM", "CMAKE_GENERATOR", "CMAKE_ARGS"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.chdir(HOME)


def executable(path: pathlib.Path, text: str = "#!/bin/sh\n") -> pathlib.Path:
    path.write_text(text)
    path.chmod(0o755)
    return path


def names(requirements: list[str]) -> set[str]:
    return {re.split(r"[<>=!~ ]", requirement)[0] for requirement in requirements}


# --- what is fetched -------------------------------------------------------------------------------------------------------------


def test_without_a_compiler_one_is_fetched(tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr(build_backend, "ZIG", {(build_backend.sys.platform, build_backend.platform.machine())})
    for hook in (build_backend.get_requires_for_build_wheel, build_backend.get_requires_for_build_editable):
        assert "ziglang" in names(hook())
    executable(tmp_path / "g++")
    assert "ziglang" not in names(build_backend.get_requires_for_build_wheel())


def test_a_compiler_that_is_named_has_to_be_there(tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    executable(tmp_path / "c++")
    assert build_backend.compiler() == str(tmp_path / "c++")
    monkeypatch.setenv("CXX", "clang++-99 -v")
    assert build_backend.compiler() is None
    executable(tmp_path / "clang++-99")
    assert build_backend.compiler() == str(tmp_path / "clang++-99")


def test_where_there_is_nothing_to_fetch_nothing_is_asked_for(tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr(build_backend, "ZIG", set())
    assert names(build_backend.get_requires_for_build_wheel()) & {"cmake", "ninja", "ziglang"} == set()


# --- Zig -------------------------------------------------------------------------------------------------------------------------


def test_zig_gets_a_target_and_links_without_a_library_of_cpp(tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "ziglang").mkdir()
    (tmp_path / "ziglang" / "__init__.py").write_text("")
    executable(tmp_path / "ziglang" / "zig", '#!/bin/sh\necho "$@"\n')
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setattr(build_backend, "compiler", lambda: None)
    monkeypatch.setattr(build_backend, "target", lambda: "-target x86_64-linux-gnu.2.17")
    monkeypatch.setattr(build_backend.sysconfig, "get_path", lambda _: "/usr/include/python3.11")
    with build_backend.zig_wrapper():
        wrapper = build_backend.os.environ["CXX"]

        def said(*words: str) -> str:
            return subprocess.run([wrapper, *words], capture_output=True, text=True, check=True).stdout

        assert said("-O3", "-c", "a b.cpp") == "c++ -target x86_64-linux-gnu.2.17 -idirafter /usr/include -O3 -c a b.cpp\n"
        assert said("-shared", "a.o") == "c++ -target x86_64-linux-gnu.2.17 -idirafter /usr/include -nostdlib++ -shared a.o\n"
    assert "CXX" not in build_backend.os.environ
    assert not pathlib.Path(wrapper).exists()


@pytest.mark.parametrize(
    ("platform", "soabi", "machine", "target"),
    [
        ("linux", "cpython-311-x86_64-linux-gnu", "x86_64", "-target x86_64-linux-gnu.2.17"),
        ("linux", "cpython-311-aarch64-linux-musl", "aarch64", "-target aarch64-linux-musl"),
        ("darwin", "cpython-311-darwin", "arm64", ""),
    ],
)
def test_zigs_name_of_a_machine(platform: str, soabi: str, machine: str, target: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(build_backend.sys, "platform", platform)
    monkeypatch.setattr(build_backend.sysconfig, "get_config_var", lambda _: soabi)
    monkeypatch.setattr(build_backend.platform, "machine", lambda: machine)
    assert build_backend.target() == target


# --- where nothing compiles ------------------------------------------------------------------------------------------------------


def scikit_that_fails(monkeypatch: pytest.MonkeyPatch, error: BaseException) -> list[dict[str, Any]]:
    asked: list[dict[str, Any]] = []

    def build_wheel(folder: str, settings: dict[str, Any]) -> str:
        asked.append(settings)
        if "wheel.cmake" not in settings:
            raise error
        return "pure.whl"

    monkeypatch.setattr(build_backend.scikit, "build_wheel", build_wheel)
    return asked


@pytest.mark.parametrize("error", [SystemExit(1), FileNotFoundError("cmake")])
def test_what_does_not_compile_is_left_out(
    error: BaseException, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    asked = scikit_that_fails(monkeypatch, error)
    monkeypatch.setattr(build_backend, "can_compile", lambda: True)
    assert build_backend.build_wheel("x", {"logging.level": "INFO"}) == "pure.whl"
    assert asked == [{"logging.level": "INFO"}, {"logging.level": "INFO", "wheel.cmake": "false", "wheel.py-api": "py3"}]
    told = capsys.readouterr().out
    assert "WITHOUT its compiled core" in told
    assert repr(error).split("(")[0] in told


def test_what_cannot_compile_is_not_tried(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    asked = scikit_that_fails(monkeypatch, SystemExit(1))
    monkeypatch.setattr(build_backend, "can_compile", lambda: False)
    assert build_backend.build_wheel("x") == "pure.whl"
    assert asked == [build_backend.PURE]
    assert "there is no C++ compiler, and none to fetch" in capsys.readouterr().out


def test_ctrl_c_is_no_failure_to_compile(monkeypatch: pytest.MonkeyPatch) -> None:
    scikit_that_fails(monkeypatch, KeyboardInterrupt())
    monkeypatch.setattr(build_backend, "can_compile", lambda: True)
    with pytest.raises(KeyboardInterrupt):
        build_backend.build_wheel("x")


# --- editable installs -----------------------------------------------------------------------------------------------------------


def editable(tree: pathlib.Path, monkeypatch: pytest.MonkeyPatch, **files: str) -> zipfile.ZipFile:
    """An editable install of ``tree``, whose wheel would hold ``files``."""
    info = "lsmx-0.1.0.dist-info"

    def build_wheel(folder: str, settings: dict[str, Any]) -> str:
        assert settings["build-dir"] == "build/editable"
        with zipfile.ZipFile(pathlib.Path(folder, "lsmx.whl"), "w") as wheel:
            for name, text in {**files, f"{info}/METADATA": "Name: lsmx", f"{info}/RECORD": "old"}.items():
                wheel.writestr(name, text)
        return "lsmx.whl"

    monkeypatch.setattr(build_backend.scikit, "build_wheel", build_wheel)
    monkeypatch.setattr(build_backend, "HOME", tree)
    (tree / "dist").mkdir(exist_ok=True)
    return zipfile.ZipFile(tree / "dist" / build_backend.build_editable(str(tree / "dist")))


@pytest.fixture
def tree(tmp_path: pathlib.Path) -> pathlib.Path:
    (tmp_path / "lsmx" / "_native").mkdir(parents=True)
    (tmp_path / "lsmx" / "_native" / "core.cpython-310-x86_64-linux-gnu.so").write_text("an old one")
    (tmp_path / "lsmx" / "_native" / "core.pyi").write_text("a source")
    return tmp_path


def test_an_editable_install_is_paths_and_metadata(tree: pathlib.Path, monkeypatch: pytest.MonkeyPatch) -> None:
    core = "lsmx/_native/core.abi3.so"
    with editable(tree, monkeypatch, **{core: "compiled", "lsmx/__init__.py": "", "lsmx_numpy/__init__.py": ""}) as wheel:
        assert wheel.read("_lsmx.pth").decode() == f"{tree}\n{tree}/backends\n"
        assert sorted(wheel.namelist()) == ["_lsmx.pth", "lsmx-0.1.0.dist-info/METADATA", "lsmx-0.1.0.dist-info/RECORD"]
        lines = wheel.read("lsmx-0.1.0.dist-info/RECORD").decode().splitlines()
        assert lines[-1] == "lsmx-0.1.0.dist-info/RECORD,,"
        for name, digest, size in (line.split(",") for line in lines[:-1]):
            content = wheel.read(name)
            wanted = base64.urlsafe_b64encode(hashlib.sha256(content).digest()).decode().rstrip("=")
            assert (digest, int(size)) == (f"sha256={wanted}", len(content))
        assert len(lines) == 3
    assert {path.name for path in (tree / "lsmx" / "_native").iterdir()} == {"core.abi3.so", "core.pyi"}
    assert (tree / core).read_text() == "compiled"


def test_a_core_is_replaced_and_not_written_over(tree: pathlib.Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A process that has loaded the old one would crash."""
    core = tree / "lsmx/_native/core.abi3.so"
    core.write_text("before")
    with core.open() as loaded:
        editable(tree, monkeypatch, **{"lsmx/_native/core.abi3.so": "after"}).close()
        assert (loaded.read(), core.read_text()) == ("before", "after")


def test_no_core_of_an_earlier_build_stays(tree: pathlib.Path, monkeypatch: pytest.MonkeyPatch) -> None:
    editable(tree, monkeypatch, **{"lsmx/__init__.py": ""}).close()
    assert {path.name for path in (tree / "lsmx" / "_native").iterdir()} == {"core.pyi"}


# --- lists that are kept by hand -------------------------------------------------------------------------------------------------


def test_every_backend_is_packaged() -> None:
    found = {f"backends/{path.name}" for path in (HOME / "backends").glob("lsmx_*")}
    assert set(SCIKIT["wheel"]["packages"]) == {"lsmx", *found}


def test_every_source_is_compiled() -> None:
    (listed,) = re.findall(r"^set\(SOURCES ([^)#]*)\)", LISTS, re.MULTILINE)
    assert {*listed.split(), "kernels.cpp"} == {path.name for path in CPU.glob("*.cpp")}


# --- for aarch64 -----------------------------------------------------------------------------------------------------------------


def test_aarch64_is_compiled_with_the_flags_of_the_core() -> None:
    flags = check_aarch64.common_flags()
    assert {"-std=c++17", "-O2", "-ffp-contract=off", "-fno-fast-math", "-fno-exceptions"} <= set(flags)
    assert [flag for flag in flags if not flag.startswith("-")] == []


def test_aarch64_has_every_source_of_the_passes() -> None:
    left_out = {"module", "arrays", "calls", "xla"}  # Python's and JAX's
    assert {path.stem for path in check_aarch64.SOURCES} - {"driver"} == {path.stem for path in CPU.glob("*.cpp")} - left_out


@pytest.mark.parametrize(("status", "told"), [(0, "right"), (3, "WRONG, status 3")])
def test_what_the_program_says_counts(
    status: int, told: str, tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    program = executable(tmp_path / "program", f'test -s "$1" && exit {status}\nexit 9\n')
    monkeypatch.setattr(check_aarch64, "compiled", lambda sources, folder: program)
    monkeypatch.setattr(check_aarch64, "QEMU", "sh")
    assert check_aarch64.main("3") == bool(status)
    assert capsys.readouterr().out == f"on aarch64, under sh: {told}\n"


def test_without_qemu_that_is_said(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr(check_aarch64, "compiled", lambda sources, folder: folder)
    monkeypatch.setattr(check_aarch64, "QEMU", "qemu-that-is-not-there")
    assert check_aarch64.main() == 0
    assert "not run: there is no qemu-that-is-not-there here (apt-get install qemu-user)" in capsys.readouterr().out


# --- tools that check and build distributions ------------------------------------------------------------------------------------


@pytest.fixture
def wheels(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """build_wheels.py, which builds nothing."""
    monkeypatch.syspath_prepend(HOME / "tools")
    found = importlib.import_module("build_wheels")
    monkeypatch.setattr(found, "built", lambda target, out: pytest.fail(f"{target} is built in {out}"))
    return found


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (["--help"], 0, "usage: build_wheels.py"),
        ([], 2, "required: FOLDER"),
        (["dist", "x86_64"], 2, "TARGET: there is no target 'x86_64'; there are x86_64-gnu, "),
        (["dist", "--targets"], 2, "unrecognized arguments: --targets"),
        ([""], 2, "'' is not a folder"),
        (["pyproject.toml"], 2, "'pyproject.toml' is not a folder"),
    ],
)
def test_words_of_build_wheels(
    wheels: ModuleType, capsys: pytest.CaptureFixture[str], words: list[str], code: int, said: str
) -> None:
    with pytest.raises(SystemExit) as end:
        wheels.main(words)
    assert end.value.code == code
    assert said in "".join(capsys.readouterr())


def test_targets_of_build_wheels(wheels: ModuleType, monkeypatch: pytest.MonkeyPatch, tmp_path: pathlib.Path) -> None:
    asked: list[str] = []

    def built(target: str, out: pathlib.Path) -> pathlib.Path:
        asked.append(target)
        assert out == tmp_path / "dist"
        return executable(tmp_path / "a.whl")

    monkeypatch.setattr(wheels, "built", built)
    assert wheels.main([str(tmp_path / "dist")]) == 0
    assert tuple(asked) == wheels.USUAL
    asked.clear()
    assert wheels.main([str(tmp_path / "dist"), "x86_64-musl"]) == 0
    assert asked == ["x86_64-musl"]


@pytest.mark.parametrize("words", [["--releas", "a.whl"], ["--al", "a.whl"], ["--release"], []])
def test_words_of_check_dist(words: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as end:
        check_dist.main(words)
    assert end.value.code == 2
    assert "check_dist.py: error: " in capsys.readouterr().err


@pytest.mark.parametrize(("words", "want"), [([], (False, False)), (["--all"], (False, True)), (["--release"], (True, True))])
def test_what_check_dist_looks_at(
    words: list[str], want: tuple[bool, bool], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    asked: list[tuple[bool, bool]] = []
    monkeypatch.setattr(check_dist, "lacking", lambda names: [])
    monkeypatch.setattr(check_dist, "faults", lambda path, release, every: asked.append((release, every)) or [])
    assert check_dist.main(["a.whl", "b.tar.gz", *words]) == 0
    assert asked == 2 * [want]
    assert capsys.readouterr().out == "sdist and wheel hold what they should\n"


def test_what_is_no_distribution_is_a_fault(tmp_path: pathlib.Path, capsys: pytest.CaptureFixture[str]) -> None:
    paths = [
        tmp_path / name for name in ("none.whl", "text.whl", "bare.whl", "none.tar.gz", "text.tar.gz", "bare.tar.gz", "cut.tar.gz")
    ]
    for path in (paths[1], paths[4]):
        path.write_text("no archive")
    with zipfile.ZipFile(paths[2], "w") as wheel:
        wheel.writestr("lsmx/__init__.py", "")
    with tarfile.open(paths[5], "w:gz") as sdist:
        sdist.add(paths[1], "lsmx-0.1.0/README.md")
    paths[6].write_bytes(paths[5].read_bytes()[:40])
    assert check_dist.main([str(path) for path in paths]) == 1
    said = capsys.readouterr().out.splitlines()
    assert [line.split(": ")[:2] for line in said] == [
        ["none.whl", "cannot be read"],
        ["text.whl", "cannot be read"],
        ["bare.whl", "missing"],
        ["bare.whl", "missing"],
        ["none.tar.gz", "cannot be read"],
        ["text.tar.gz", "cannot be read"],
        ["bare.tar.gz", "missing"],
        ["cut.tar.gz", "cannot be read"],
    ]
    assert said[2:4] == ["bare.whl: missing: *.dist-info/METADATA", "bare.whl: missing: *.dist-info/entry_points.txt"]


def test_a_smaller_wheel_holds_the_same(tmp_path: pathlib.Path, capsys: pytest.CaptureFixture[str]) -> None:
    pytest.importorskip("zopfli", reason="zopflipy is not installed: pip install -e '.[dev]'")
    from tools import smaller_wheel

    wheel, text = tmp_path / "a-1-py3-none-any.whl", (HOME / "README.md").read_bytes()
    with zipfile.ZipFile(wheel, "w", zipfile.ZIP_DEFLATED) as file:
        for name, content in (("b.py", text), ("a.py", b""), ("c.so", bytes(range(256)))):
            entry = zipfile.ZipInfo(name, (2020, 2, 2, 2, 2, 2))
            entry.external_attr, entry.compress_type = 0o100755 << 16, zipfile.ZIP_DEFLATED
            file.writestr(entry, content)
    before, contents = wheel.stat().st_size, held(wheel)
    assert smaller_wheel.main([str(tmp_path)]) == 0
    assert held(wheel) == contents
    assert wheel.stat().st_size < 0.99 * before
    assert [path.name for path in tmp_path.iterdir()] == [wheel.name]
    assert capsys.readouterr().out == f"{wheel.name}: {wheel.stat().st_size} bytes\n"
    with pytest.raises(SystemExit):
        smaller_wheel.main([str(tmp_path / "nothing")])


def held(wheel: pathlib.Path) -> list[Any]:
    """The entries of a wheel in their order, and what is in them."""
    with zipfile.ZipFile(wheel) as file:
        assert file.testzip() is None
        return [(e.filename, e.date_time, e.external_attr, file.read(e)) for e in file.infolist()]
