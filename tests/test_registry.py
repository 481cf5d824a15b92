"""Which backend serves what, what plugins may do, and what ``import lsmx`` may not."""

from __future__ import annotations

import pathlib
import subprocess
import sys
import textwrap
import warnings
from collections.abc import Iterator
from typing import Any

import array_api_strict
import numpy as np
import pytest

import lsmx
from lsmx import extend
from lsmx._call.registry import known_backends, load_plugin

HOME = pathlib.Path(lsmx.__file__).parents[1]
FRAMEWORKS = ("torch", "cupy", "jax", "array_api_strict", "sklearn", "mpmath", "hypothesis", "pytest")


def python(code: str, *paths: pathlib.Path) -> subprocess.CompletedProcess[str]:
    """Run code in a new interpreter that sees this checkout and ``paths``."""
    head = f"import sys; sys.path[:0] = {[*map(str, paths), str(HOME), str(HOME / 'backends')]!r}\n"
    return subprocess.run([sys.executable, "-c", head + textwrap.dedent(code)], capture_output=True, text=True, check=False)


CLEAN = f"""
import sys
import lsmx
print([name for name in {FRAMEWORKS!r} if name in sys.modules])
"""


def test_import_brings_no_framework() -> None:
    done = python(CLEAN)
    assert done.stdout.strip() == "[]", done.stderr


def test_the_proof_can_fail(tmp_path: pathlib.Path) -> None:
    (tmp_path / "torch.py").write_text("")
    assert python("import torch\n" + CLEAN, tmp_path).stdout.strip() == "['torch']"


def test_numpy_arrays_bring_no_other_framework() -> None:
    done = python("import numpy, lsmx; lsmx.log_softmax(numpy.ones(3))" + CLEAN)
    assert done.stdout.strip() == "[]", done.stderr


@pytest.mark.parametrize(("make", "name"), [(lambda: np.ones(2), "numpy"), (lambda: array_api_strict.ones(2), "standard")])
def test_backend_for(make: Any, name: str) -> None:
    assert lsmx.backend_for(make()).name == name


def test_subclasses_are_served_by_the_library_of_their_base() -> None:
    import torch

    class Named(np.ndarray):
        """A subclass from elsewhere."""

    assert lsmx.backend_for(np.ones(2).view(Named)).name == "numpy"
    assert lsmx.backend_for(torch.nn.Parameter(torch.ones(2))).name == "torch"
    assert lsmx.backend_for(np.ones(2)) is lsmx.backend_for(np.ones(3))


# --- plugins: a distribution in a folder, as pip would leave it ---------------------------------------------------------------

PLUGIN = '''
"""An array library and its lsmx backend in one file."""
import array_api_compat.numpy as xnp
import numpy as np
from lsmx.extend import Backend, Kernel, Ops, registered

class Array:
    def __init__(self, inner):
        self.inner = np.asarray(inner)
    shape = property(lambda self: self.inner.shape)
    dtype = property(lambda self: self.inner.dtype)

def plan(ctx, z, /, *, axis, where):
    def run():
        out = registered()["log_softmax"].function.forward(ctx, z.inner, axis=axis, where=where)
        ctx.save_for_backward(Array(out))
        return Array(out)
    return run if axis == -1 else f"axis {axis}: the last one only"

backend = Backend(
    name="mylib",
    roots=("mylib",),
    owns=lambda kind: issubclass(kind, Array),
    ops=lambda x, fmt: Ops(xnp, "cpu", fmt, (np.int64, 64)),
    version=lambda: "1.5",
    devices=lambda: ["cpu"],
    dtypes=("float64",),
    from_numpy=lambda values, dtype, device=None: Array(np.asarray(values, dtype=dtype)),
    to_numpy=lambda x: x.inner,
    kernels=(Kernel("last axis", "log_softmax", "forward", plan),),
)
'''


def install(folder: pathlib.Path, name: str, source: str) -> None:
    """Lay out a distribution with an entry point."""
    (folder / f"{name}.py").write_text(source)
    info = folder / f"{name}_dist-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}-dist\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text(f"[lsmx.backends]\n{name} = {name}:backend\n")


@pytest.mark.slow
def test_an_installed_plugin_is_found_used_and_reported(tmp_path: pathlib.Path) -> None:
    install(tmp_path, "mylib", PLUGIN)
    done = python(
        """
        import sys, lsmx, numpy as np
        lsmx.log_softmax(np.ones(2))
        assert "mylib" not in sys.modules, "loaded before it was needed"
        import mylib
        z = mylib.Array([[1.0, 2.0], [3.0, 5.0]])
        out = lsmx.log_softmax(z)
        print(type(out).__name__, (out.inner == lsmx.log_softmax(z.inner)).all())
        print(lsmx.backend_for(z).name)
        print(lsmx.explain(z))
        print(lsmx.explain(z, axis=0))
        from lsmx._cli import main
        main(["info"])
        """,
        tmp_path,
    )
    assert done.returncode == 0, done.stderr
    lines = done.stdout.splitlines()
    assert lines[:3] == ["Array True", "mylib", "log_softmax forward: backend 'mylib' runs last axis"]
    assert lines[3:5] == [
        "log_softmax forward: backend 'mylib' runs the definition in standard operations",
        "  not last axis: axis 0: the last one only",
    ]
    assert any(line.split() == ["mylib", "1.5"] for line in lines)
    assert any("last axis (log_softmax forward)" in line for line in lines)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("source", "reason"),
    [
        ("raise RuntimeError('no driver')", "RuntimeError: no driver"),
        ("import a_module_that_is_not_there", "ModuleNotFoundError"),
        ("backend = 3", "not a lsmx.extend.Backend record"),
        ("nothing = 1", "AttributeError"),
    ],
)
def test_a_broken_plugin_is_named_and_harms_nobody(tmp_path: pathlib.Path, source: str, reason: str) -> None:
    install(tmp_path, "brokenlib", source)
    install(tmp_path, "mylib", PLUGIN)
    done = python(
        f"""
        import sys, warnings, lsmx, numpy as np, array_api_compat.numpy as xnp
        class Array:
            "An array whose own plugin is broken is served by the standard."
            __module__ = "brokenlib.arrays"
            def __init__(self, inner): self.inner = np.asarray(inner)
            def __array_namespace__(self, api_version=None): return xnp
            shape = property(lambda self: self.inner.shape)
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            print(lsmx.backend_for(Array(1.0)).name)
            print(lsmx.backend_for(Array(2.0)).name)
        [warning] = caught
        assert issubclass(warning.category, lsmx.BackendWarning)
        assert "brokenlib-dist" in str(warning.message) and {reason!r} in str(warning.message), warning.message
        import mylib
        print(lsmx.backend_for(mylib.Array(1.0)).name, lsmx.log_softmax(np.ones(2)).shape)
        warnings.simplefilter("ignore")
        from lsmx._cli import main
        sys.exit(main(["info"]))
        """,
        tmp_path,
    )
    assert done.returncode == 0, done.stderr + done.stdout
    assert done.stdout.splitlines()[:3] == ["standard", "standard", "mylib (2,)"]
    assert "brokenlib unavailable: backend plugin" in " ".join(done.stdout.split())


def test_load_plugin_warns_in_this_process_too() -> None:
    import importlib.metadata

    entry = importlib.metadata.EntryPoint("nowhere", "nowhere_at_all:backend", "lsmx.backends")
    with pytest.warns(lsmx.BackendWarning, match=r"'nowhere' \(nowhere_at_all:backend\) is left out: ModuleNotFoundError"):
        reason = load_plugin(entry)
    assert isinstance(reason, str)
    assert "nowhere_at_all" in reason


# --- records, by hand -----------------------------------------------------------------------------------------------------------


def fields(**changes: Any) -> dict[str, Any]:
    numpy = lsmx.backend_for(np.zeros(1))
    return {f: getattr(numpy, f) for f in numpy.__dataclass_fields__ if f != "by_task"} | changes


@pytest.fixture
def strict_backend() -> Iterator[extend.Backend]:
    """A backend by hand for array-api-strict, with kernels that accept and that refuse."""

    def fast(ctx: Any, z: Any, /, **options: Any) -> Any:
        return lambda: lsmx.registered()["log_softmax"].function.forward(ctx, z, **options)

    standard = lsmx.backend_for(array_api_strict.ones(2))
    backend = extend.Backend(
        **fields(
            name="by-hand",
            roots=("array_api_strict",),
            owns=standard.owns,
            ops=standard.ops,
            kernels=(
                extend.Kernel("never", "log_softmax", "forward", lambda *_, **__: "it is a Tuesday"),
                extend.Kernel("fast", "log_softmax", "forward", fast),
                extend.Kernel("slow", "log_softmax", "forward", fast),
            ),
        )
    )
    extend.register_backend(backend)
    yield backend
    extend.unregister_backend(backend)


def test_register_backend_comes_first(strict_backend: extend.Backend) -> None:
    z = array_api_strict.asarray([1.0, 2.0])
    assert lsmx.backend_for(z) is strict_backend
    assert known_backends()["by-hand"] is strict_backend
    explained = lsmx.explain(z)
    assert (explained.backend, explained.runs) == ("by-hand", "fast")
    assert explained.passed == (("never", "it is a Tuesday"),)
    extend.unregister_backend(strict_backend)
    assert lsmx.backend_for(z).name == "standard"


@pytest.mark.usefixtures("strict_backend")
def test_using_reference_passes_over_every_kernel() -> None:
    z = array_api_strict.asarray([1.0, 2.0])
    with lsmx.using("reference"):
        explained = lsmx.explain(z)
        assert explained.runs == "the definition in standard operations"
        assert [reason for _, reason in explained.passed] == ['inside using("reference")'] * 3
        with lsmx.using("by-hand"):
            assert lsmx.explain(z).runs == "fast"
        assert lsmx.explain(z).runs == "the definition in standard operations"
    assert lsmx.explain(z).runs == "fast"


def test_using_another_backend_refuses_arrays() -> None:
    with lsmx.using("torch"), pytest.raises(lsmx.BackendError, match=r"z: .*'numpy' inside using\(\"torch\"\)"):
        lsmx.log_softmax(np.ones(2))
    with lsmx.using("numpy"):
        assert lsmx.log_softmax(np.zeros(1)) == 0
    with pytest.raises(lsmx.BackendError, match="not a name"), lsmx.using(np):  # type: ignore[arg-type]
        pass
    with (
        pytest.raises(lsmx.BackendError, match=r"there is no backend 'nump'; there are reference, numpy, torch"),
        lsmx.using("nump"),
    ):
        pass


def test_using_ends_with_its_thread() -> None:
    import threading

    seen = []
    with lsmx.using("torch"):
        thread = threading.Thread(target=lambda: seen.append(lsmx.log_softmax(np.zeros(1))))
        thread.start()
        thread.join()
    assert len(seen) == 1


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"name": ""}, "not a non-empty string"),
        ({"roots": ["numpy"]}, "not a tuple of root module names"),
        ({"roots": ("numpy.core",)}, "not a tuple of root module names"),
        ({"owns": None}, "owns is not callable"),
        ({"dtypes": ("float8",)}, "not a tuple of names among float16"),
        ({"kernels": (print,)}, "is not a Kernel"),
    ],
)
def test_records_check_themselves(changes: dict[str, Any], reason: str) -> None:
    with pytest.raises(lsmx.BackendError, match=reason):
        extend.Backend(**fields(**changes))


def test_kernels_check_themselves() -> None:
    with pytest.raises(lsmx.BackendError, match="direction 'sideways' is not one of forward"):
        extend.Kernel("k", "log_softmax", "sideways", print)
    with pytest.raises(lsmx.BackendError, match="plan is not callable"):
        extend.Kernel("k", "log_softmax", "forward", None)  # type: ignore[arg-type]


def test_register_backend_refuses() -> None:
    with pytest.raises(lsmx.BackendError, match=r"is not a lsmx\.extend\.Backend record"):
        extend.register_backend("numpy")  # type: ignore[arg-type]
    with pytest.raises(lsmx.BackendError, match="has no roots"):
        extend.register_backend(extend.Backend(**fields(roots=())))


def test_explain_refuses() -> None:
    z = np.ones((2, 3))
    with pytest.raises(lsmx.BackendError, match="'log_sofmax' is not registered; there are log_softmax"):
        lsmx.explain(z, function="log_sofmax")
    with pytest.raises(lsmx.BackendError, match="'up' is not one of forward, backward"):
        lsmx.explain(z, direction="up")
    with pytest.raises(lsmx.BackendError, match=r"1 given, but logsumexp backward takes grad_output, z$"):
        lsmx.explain(z, function="logsumexp", direction="backward")
    with pytest.raises(lsmx.ArrayTypeError):
        lsmx.explain([1.0])


def test_no_warning_is_lost_in_a_dispatch() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        lsmx.log_softmax(np.asarray([np.inf, -np.inf, np.nan, 3e38, -3e38], dtype=np.float32))


def test_explain_takes_the_arrays_of_the_call() -> None:
    g, z, out = np.ones(2000), np.ones((2000, 100)), np.ones(2000)
    by_call = lsmx.explain(g, z, out, function="logsumexp", direction="backward")
    assert (by_call.runs, by_call) == ("core", lsmx.explain(g, z, function="logsumexp", direction="backward"))
