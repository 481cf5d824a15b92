"""The examples, each in a process of its own: they assert what they show, and print it."""

from __future__ import annotations

import importlib.util
import os
import pathlib
import re
import subprocess
import sys

import pytest

import lsmx

HOME = pathlib.Path(lsmx.__file__).parents[1]
EXAMPLES = HOME / "examples"
LIMIT = 120  # seconds
PRINTS = {
    "policy_gradient": [r"lsmx\.log_prob +0\.0 % of the ratios are not 1", r"the gradient by the logits is NumPy's, bit for bit"],
    "distillation": [r"lsmx\.kl_divergence has fallen to \d\.\de-1\d; F\.kl_div is off by \d\.\de-\d\d"],
    "language_model": [r"step 150 +loss \d\.\d{4}", r"the same bits in PyTorch, NumPy and JAX"],
}
"""What is looked for in what each prints."""
LIBRARIES = {"policy_gradient": ("torch", "jax"), "distillation": ("torch",), "language_model": ("torch", "jax")}


def test_none_is_left_out() -> None:
    assert {path.stem for path in EXAMPLES.glob("*.py")} == set(PRINTS) == set(LIBRARIES)


@pytest.mark.parametrize("name", PRINTS)
def test_an_example_runs(name: str, tmp_path: pathlib.Path) -> None:
    for library in LIBRARIES[name]:
        if importlib.util.find_spec(library) is None:
            pytest.skip(f"{library} is not installed")
    env = {**os.environ, "PYTHONPATH": os.pathsep.join([str(HOME), str(HOME / "backends")]), "OMP_NUM_THREADS": "1"}
    command = [sys.executable, str(EXAMPLES / f"{name}.py")]
    run = subprocess.run(command, capture_output=True, text=True, env=env, cwd=tmp_path, timeout=LIMIT, check=False)
    assert run.returncode == 0, run.stderr
    for line in PRINTS[name]:
        assert re.search(line, run.stdout), run.stdout
    assert list(tmp_path.iterdir()) == []
