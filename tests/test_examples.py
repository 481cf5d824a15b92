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
    "split_vocabulary": [r"^step   0   loss 4\.\d{6}   0x1\.", r"step 199   loss [12]\.\d{6}   0x1\."],
    "trainer_equals_server": [
        r"by hand:\nlog-probs of server and trainer: different",
        r"lsmx\.log_prob:\nlog-probs of server and trainer: equal in every bit",
        r"the gradient by the logits is NumPy's, bit for bit",
    ],
}
"""What is looked for in what each prints."""
LIBRARIES = {
    "policy_gradient": ("torch", "jax"),
    "distillation": ("torch",),
    "language_model": ("torch", "jax"),
    "split_vocabulary": ("torch",),
    "trainer_equals_server": ("torch",),
}


def test_none_is_left_out() -> None:
    assert {path.stem for path in EXAMPLES.glob("*.py")} == set(PRINTS) == set(LIBRARIES)


@pytest.mark.nightly
@pytest.mark.parametrize("name", PRINTS)
def test_an_example_runs(name: str, tmp_path: pathlib.Path) -> None:
    for library in LIBRARIES[name]:
        if importlib.util.find_spec(library) is None:
            pytest.skip(f"{library} is not installed")
    printed = run([str(EXAMPLES / f"{name}.py")], tmp_path)
    for line in PRINTS[name]:
        assert re.search(line, printed), printed
    assert list(tmp_path.iterdir()) == []


def run(command: list[str], folder: pathlib.Path, **more: str) -> str:
    """What Python prints, given these words."""
    env = {**os.environ, "PYTHONPATH": os.pathsep.join([str(HOME), str(HOME / "backends")]), "OMP_NUM_THREADS": "1", **more}
    done = subprocess.run(
        [sys.executable, *command], capture_output=True, text=True, env=env, cwd=folder, timeout=LIMIT, check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.nightly
def test_losses_do_not_depend_on_how_a_vocabulary_is_divided(tmp_path: pathlib.Path) -> None:
    """Step after step, to the last bit: of a whole vocabulary, of one that is divided among one process, and among four."""
    torch = pytest.importorskip("torch")
    if not (torch.distributed.is_available() and torch.distributed.is_gloo_available()):
        pytest.skip("torch.distributed has no gloo")
    example = [str(EXAMPLES / "split_vocabulary.py"), "--steps", "60"]
    whole = run(example, tmp_path)
    assert len({line.split()[-1] for line in whole.splitlines()}) == 60
    alone = {"RANK": "0", "WORLD_SIZE": "1", "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": "0"}
    assert run(example, tmp_path, **alone).splitlines() == whole.splitlines()
    four = ["-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "4"]
    assert run([*four, *example], tmp_path).splitlines() == whole.splitlines()
