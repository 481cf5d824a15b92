"""Computing with a chosen backend only."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

from lsmx._call.registry import IN_TREE, entry_points, forcing, loaded
from lsmx._definition.shown import shown
from lsmx._errors import BackendError


@contextlib.contextmanager
def using(name: str) -> Iterator[None]:
    """Compute with a chosen backend only.

    Parameters
    ----------
    name : str
        ``"reference"``: the definition itself in standard operations, without kernels, for arrays of any library. Or the name of a
        backend: inside the block arrays of others are refused, with a `BackendError`.

    Yields
    ------
    None
        While the block runs, calls compute so.

    Raises
    ------
    BackendError
        ``name`` is not the name of a backend.

    See Also
    --------
    explain : which backend and which kernel a call would use.
    backend_for : the backend of an array.

    Examples
    --------
    >>> import lsmx, numpy as np
    >>> z = np.asarray([1.0, 2.0, 3.0])
    >>> with lsmx.using("reference"):
    ...     reference = lsmx.log_softmax(z)
    >>> bool((reference == lsmx.log_softmax(z)).all())
    True
    """
    if not isinstance(name, str):
        raise BackendError(
            f"using: {shown(name)} is not a name; pass 'reference' or a backend's name, as in lsmx.backend_for(x).name"
        )
    if name != "reference":
        names = dict.fromkeys(["reference", *IN_TREE, *entry_points(), *(backend.name for backend in loaded())])
        if name not in names:
            raise BackendError(f"using: there is no backend {name!r}; there are {', '.join(names)}")
    with forcing(name):
        yield
