"""The test matrix, for a ``conftest.py``: a test that asks for ``backend`` runs on each library of ``--backends``.

With ``dtype`` it runs on each of its dtypes. A library that cannot be used here is skipped with its reason, unless none is left of
those that were asked for.
"""

from __future__ import annotations

import pytest

from lsmx.testing.libraries import all_names, library
from lsmx.testing.tasks import Target

Chosen = dict[str, Target | str]
_CHOSEN = pytest.StashKey[Chosen]()


def chosen(config: pytest.Config) -> Chosen:
    """The libraries of ``--backends`` by their names, or the reasons why they cannot be used."""
    if _CHOSEN not in config.stash:
        given = config.getoption("--backends", default=None)
        names = all_names() if not given else given.split(",") if isinstance(given, str) else list(given)
        try:
            found = {name: library(name) for name in names}
        except ValueError as error:
            raise pytest.UsageError(f"--backends: {error}") from None
        if given and all(isinstance(where, str) for where in found.values()):
            reasons = "; ".join(f"{name}: {reason}" for name, reason in found.items())
            raise pytest.UsageError(f"--backends: none of them can be used: {reasons}")
        config.stash[_CHOSEN] = found
    return config.stash[_CHOSEN]


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Parametrise ``backend``, or ``backend`` and ``dtype`` together."""
    if "backend" in metafunc.fixturenames:
        parametrise(metafunc, "backend", chosen(metafunc.config))


def parametrise(metafunc: pytest.Metafunc, fixture: str, found: Chosen) -> None:
    """Run a test on each library, and on each of its dtypes if it asks for ``dtype``."""
    if "dtype" not in metafunc.fixturenames:
        metafunc.parametrize(fixture, found.values(), ids=found.keys(), indirect=True)
        return
    pairs = [
        pytest.param(where, dtype, id=f"{name}-{dtype}")
        for name, where in found.items()
        for dtype in (("any",) if isinstance(where, str) else where.dtypes)
    ]
    metafunc.parametrize((fixture, "dtype"), pairs, indirect=[fixture])


@pytest.fixture(scope="session")
def backend(request: pytest.FixtureRequest) -> Target:
    """A library on a device."""
    return usable(request)


def usable(request: pytest.FixtureRequest) -> Target:
    """The library that a test was given, unless it cannot be used."""
    if isinstance(request.param, str):
        pytest.skip(request.param)
    assert isinstance(request.param, Target)
    return request.param
