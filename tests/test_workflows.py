"""What continuous integration is told to do: Pythons, libraries, tests, wheels; and that a release says one version everywhere."""

from __future__ import annotations

import itertools
import pathlib
import re
import tomllib
from typing import Any

import pytest

import lsmx

yaml = pytest.importorskip("yaml", reason="PyYAML is not installed: pip install 'lsmx[test]'")
HOME = pathlib.Path(lsmx.__file__).parents[1]
FOLDER = HOME / ".github" / "workflows"
if not FOLDER.is_dir():
    pytest.skip("the workflows are in the repository only", allow_module_level=True)

TEXTS = {path.stem: path.read_text(encoding="utf-8") for path in FOLDER.glob("*.yml")}
FLOWS = {name: yaml.safe_load(text) for name, text in TEXTS.items()}
SETTINGS = tomllib.loads((HOME / "pyproject.toml").read_text(encoding="utf-8"))
PROJECT, TOOL = SETTINGS["project"], SETTINGS["tool"]
PYTHONS = [c.rpartition(" ")[2] for c in PROJECT["classifiers"] if re.search(r":: 3\.\d+$", c)]
QUICK = TOOL["pytest"]["ini_options"]["addopts"][-1]


def cases(flow: str, job: str) -> list[dict[str, Any]]:
    """The combinations of a matrix."""
    matrix = dict(FLOWS[flow]["jobs"][job]["strategy"]["matrix"])
    more = matrix.pop("include", [])
    crossed = [dict(zip(matrix, values, strict=True)) for values in itertools.product(*matrix.values())] if matrix else []
    return crossed + more


def commands(flow: str, job: str) -> list[str]:
    return [step["run"] for step in FLOWS[flow]["jobs"][job]["steps"] if "run" in step]


def test_every_python_that_is_promised_is_tested_and_the_oldest_one_with_the_oldest_libraries() -> None:
    assert PYTHONS == ["3.11", "3.12", "3.13", "3.14"]
    assert PROJECT["requires-python"] == f">={PYTHONS[0]}"
    found = {(case["runner"], case["python"], case["dependencies"]) for case in cases("tests", "tests")}
    assert {("ubuntu-24.04", python, "highest") for python in PYTHONS} | {("ubuntu-24.04", PYTHONS[0], "lowest-direct")} <= found
    assert {runner.partition("-")[0] for runner, _, _ in found} == {"ubuntu", "macos", "windows"}
    assert [case["python"] for case in cases("tests", "free-threaded")] == ["3.13t", "3.14t"]


def test_each_test_is_run_by_day_or_by_night() -> None:
    assert "pytest" in commands("tests", "tests")
    assert 'pytest -m "$MARKED"' in commands("nightly", "tests")
    expressions = [case["marked"] for case in cases("nightly", "tests") if case["prerelease"] == "disallow"]
    for slow, nightly in itertools.product((False, True), repeat=2):
        runs = [e for e in (QUICK, *expressions) if eval(e, {"slow": slow, "nightly": nightly})]
        assert len(runs) == 1, (slow, nightly, runs)


def test_wheels_are_built_for_what_a_release_has_and_tried_with_the_newest_python(monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("scikit_build_core", reason="scikit-build-core is not installed: pip install 'lsmx[test]'")
    monkeypatch.syspath_prepend(HOME / "tools")
    import build_wheels
    import check_dist

    built = TOOL["cibuildwheel"]
    oldest, newest = (f"cp{python.replace('.', '')}" for python in (PYTHONS[0], PYTHONS[-1]))
    assert built["build"] == [f"{oldest}-*", f"{newest}-*", f"{newest}t-*"]
    assert TOOL["scikit-build"]["wheel"]["py-api"] == oldest
    assert {built["linux"][f"manylinux-{machine}-image"] for machine in ("x86_64", "aarch64")} == {"manylinux2014"}
    assert f"macosx_{built['macos']['environment']['MACOSX_DEPLOYMENT_TARGET'].replace('.', '_')}_arm64" in check_dist.EACH
    runners = {"ubuntu-24.04": "linux_x86_64", "ubuntu-24.04-arm": "linux_aarch64", "macos-15-intel": "x86_64", "macos-15": "arm64"}
    assert {case["runner"] for case in cases("wheels", "compiled")} == set(runners)
    linux = {platform.replace("manylinux_2_17", "manylinux2014") for _, platform in build_wheels.TARGETS.values()}
    assert linux == {platform for platform in check_dist.EACH if "linux" in platform}


def test_only_a_tag_uploads_and_only_what_has_been_checked_on_every_system() -> None:
    jobs = FLOWS["wheels"]["jobs"]
    upload = jobs["publish"]
    assert upload["if"] == "github.event_name == 'push' && github.ref_type == 'tag'"
    assert set(upload["needs"]) | {need for job in upload["needs"] for need in jobs[job]["needs"]} >= set(jobs) - {
        "publish",
        "source",
    }
    assert jobs["windows"]["needs"] == "source"
    trusted = [
        (flow, job)
        for flow, told in FLOWS.items()
        for job, said in told["jobs"].items()
        if "id-token" in said.get("permissions", {})
    ]
    assert sorted(trusted) == [("docs", "publish"), ("wheels", "publish")]
    assert all(told["permissions"] == {"contents": "read"} for told in FLOWS.values())


@pytest.mark.parametrize("name", sorted(TEXTS))
def test_actions_are_named_by_commit_and_what_is_called_is_there(name: str) -> None:
    used = re.findall(r"uses: (.*)", TEXTS[name])
    assert used
    assert [u for u in used if not re.fullmatch(r"[\w-]+/[\w-]+@[0-9a-f]{40} # v\d+\.\d+\.\d+", u)] == []
    ran = "\n".join(command for job in FLOWS[name]["jobs"] for command in commands(name, job))
    for path in re.findall(r"(?:python |^)((?:tools/|\.ci/)[\w./]+)", ran, re.MULTILINE):
        assert (HOME / path).is_file(), path
    for extra in re.findall(r"\.\[(\w+)\]", ran):
        assert extra in PROJECT["optional-dependencies"]
    assert all("timeout-minutes" in job for job in FLOWS[name]["jobs"].values())


def test_one_commit_for_each_action() -> None:
    commits = {tuple(u.split("@")) for text in TEXTS.values() for u in re.findall(r"uses: (\S+)", text)}
    assert len(commits) == len({action for action, _ in commits})


def test_a_release_says_one_version_everywhere() -> None:
    citation = yaml.safe_load((HOME / "CITATION.cff").read_text(encoding="utf-8"))
    (heading, *_) = re.findall(r"^## (\S+)", (HOME / "CHANGELOG.md").read_text(encoding="utf-8"), re.MULTILINE)
    assert str(citation["version"]) == heading == PROJECT["version"]
    assert citation["license"] == PROJECT["license"]
    assert citation["repository-code"] == PROJECT["urls"]["Source"]
    assert [author["name"] for author in citation["authors"]] == [author["name"] for author in PROJECT["authors"]]


@pytest.mark.parametrize("page", ["RELEASING.md", "SECURITY.md"])
def test_what_the_pages_name_is_there(page: str) -> None:
    text = (HOME / page).read_text(encoding="utf-8")
    named = set(re.findall(r"\]\((?!https?:)([^)#]+)\)", text)) | set(re.findall(r"(?:tools|\.github|\.ci)/[\w./-]*\w", text))
    assert named
    assert [path for path in named if not (HOME / path).exists()] == []
    for flow in re.findall(r"\*(tests|docs|wheels|nightly|[a-z]+)\*", text):
        assert flow in FLOWS or any(flow in told["jobs"] for told in FLOWS.values()), flow
