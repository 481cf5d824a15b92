"""Where a function runs: records, checked when they are made."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from lsmx._definition.formats import FORMAT_OF, Format
from lsmx._definition.ops import Array, Ops
from lsmx._errors import BackendError

if TYPE_CHECKING:
    from lsmx._call.operation import Operation

DIRECTIONS = ("forward", "backward", "jvp", "jacobian")


@dataclass(frozen=True)
class Kernel:
    """A faster way to compute one direction of one function, equal to it bit for bit.

    Attributes
    ----------
    name : str
        Shown by ``explain`` and ``lsmx info``.
    function, direction : str
        What it computes: a registered name, and one of ``forward``, ``backward``, ``jvp``, ``jacobian``; or a derivative of 16-bit
        rows, as ``backward_z``.
    plan : callable
        Called with the arguments of the function's static method, ``ctx`` first. Returns the reason why it does not take them, or a
        function without arguments that computes the result and saves on ``ctx`` what the static method saves. That function may put
        its result into ``ctx.out``, if there is one, and return it.
    warns : bool, default True
        Whether its operations may give warnings, so that it is to run inside ``Backend.quiet``.
    direct : callable, optional
        For the first kernel of a library, a function that is called once and returns a short way for the commonest calls, or None.
        The short way is called with the arrays, ``axis``, ``where``, ``dtype`` (None for derivatives), ``out``, and the further
        options by position. It returns the result, with nothing saved, or None to have the call go the long way. It need not ask
        whether an autograd follows the arrays.
    unavailable : callable, optional
        Why it can run nowhere here, whatever the arrays, as when the compiler that it needs is not installed; or None.
    """

    name: str
    function: str
    direction: str
    plan: Callable[..., str | Callable[[], Array]]
    warns: bool = True
    direct: Callable[[], Callable[..., Array | None] | None] | None = None
    unavailable: Callable[[], str | None] = lambda: None

    def __post_init__(self) -> None:
        if self.direction.partition("_")[0] not in DIRECTIONS:
            raise BackendError(f"kernel {self.name!r}: direction {self.direction!r} is not one of {', '.join(DIRECTIONS)}")
        for name in ("plan", "unavailable"):
            if not callable(getattr(self, name)):
                raise BackendError(f"kernel {self.name!r}: {name} is not callable")


@dataclass(frozen=True)
class Backend:
    """An array library: which types, which operations, which kernels, which autograd.

    Attributes
    ----------
    name : str
        What ``backend_for``, ``using`` and the tables call it.
    roots : tuple of str
        Root modules of the array types that it serves, such as ``("torch",)``.
    owns : callable
        Whether a type is one of the library's array types: called with types whose root module is among ``roots``.
    ops : callable
        The array operations for an array, in a format.
    kernels : tuple of Kernel, default ()
        In order of preference.
    bind : callable, optional
        Computes an ``Operation`` so that the library's autograd can differentiate it by its rules: called with the operation and
        the arguments of its ``compute``. It may ignore ``out``. None if the library has no autograd.
    unfollowed : callable, optional
        Called with the short way of a kernel, its function and direction. Returns a short way that first looks whether the autograd
        (or a compiler, or a transform) follows the arrays, and then returns None or does what ``bind`` does. None if all calls are
        to go through ``bind``.
    compiling : callable, optional
        Says whether the library's compiler is tracing, when no short way is taken. The compiler must be able to trace this call.
    define : callable, optional
        Makes an ``Operation`` known to the library before it is first called, for programs that were saved. None if nothing needs
        it.
    follows : str, optional
        For a library that wraps another's arrays, as HIPS autograd does NumPy's: the name of that one's backend. Wrapped and plain
        arrays then go together. None for other libraries.
    quiet : callable, optional
        A context manager around every computation, which silences warnings about overflow, NaN and the like: results are defined.
    place : callable, optional
        What arrays have to share to go together, as the device: called with an array. By default namespace and device of ``ops``.
    xp : array namespace, optional
        The array namespace, if all arrays of the library share it. By default that of ``ops``.
    one_place : bool, default False
        Whether arrays of one type are all of one namespace and on one device, so that they always go together.
    seen : callable, optional
        Says whether the values of an array can be read now: it is in the host's memory, and neither traced nor transformed nor
        fake. None if never.
    recomputed : callable, optional
        The autograd's checkpoint: makes of a function of arrays one whose derivatives compute it again, so that nothing inside of
        it is kept. None if there is no autograd.
    apart : callable, optional
        Computes an operation on parts of arrays, for which there are no derivatives: refuses arrays that the autograd follows, and
        sees to it that there are 64-bit integers. Called with the operation and the arguments of its ``compute`` but ``out``. None
        if ``compute`` will do.
    version, devices : callable
        For ``lsmx info``; ``devices`` raises with the reason if none can be used.
    dtypes : tuple of str
        Names of the float dtypes that the library has.
    from_numpy : callable
        Makes an array of the library: called with a NumPy array, a dtype name (a float's, ``"int32"`` or ``"bool"``: an exact cast)
        and a device or None. For ``lsmx verify`` and the tests.
    to_numpy : callable
        The way back; a dtype that NumPy lacks is widened, which is exact.
    """

    name: str
    roots: tuple[str, ...]
    owns: Callable[[type], bool]
    ops: Callable[[Array, Format], Ops]
    version: Callable[[], str]
    devices: Callable[[], list[str]]
    dtypes: tuple[str, ...]
    from_numpy: Callable[[Any, str, Any], Array]
    to_numpy: Callable[[Array], Any]
    kernels: tuple[Kernel, ...] = ()
    bind: Callable[..., Array] | None = None
    define: Callable[[Operation], object] | None = None
    unfollowed: Callable[[Callable[..., Array | None], str, str], Callable[..., Array | None]] | None = None
    quiet: Callable[[], AbstractContextManager[object]] = field(default_factory=lambda: nullcontext)
    compiling: Callable[[], bool] | None = None
    follows: str | None = None
    place: Callable[[Array], Any] | None = None
    seen: Callable[[Array], bool] | None = None
    apart: Callable[..., Array] | None = None
    recomputed: Callable[[Callable[..., Any]], Callable[..., Any]] | None = None
    xp: Any = None
    one_place: bool = False
    by_task: dict[tuple[str, str], tuple[Kernel, ...]] = field(init=False, repr=False)

    def __post_init__(self) -> None:
        if not self.name or not isinstance(self.name, str):
            raise BackendError(f"backend: name {self.name!r} is not a non-empty string")
        if not isinstance(self.roots, tuple) or not all(isinstance(r, str) and r and "." not in r for r in self.roots):
            raise BackendError(f"backend {self.name!r}: roots {self.roots!r} is not a tuple of root module names")
        for name in ("owns", "ops", "version", "devices", "from_numpy", "to_numpy", "quiet", "bind", "define"):
            if not callable(getattr(self, name)) and not (name in ("bind", "define") and getattr(self, name) is None):
                raise BackendError(f"backend {self.name!r}: {name} is not callable")
        if not isinstance(self.dtypes, tuple) or not set(self.dtypes) <= FORMAT_OF.keys():
            raise BackendError(
                f"backend {self.name!r}: dtypes {self.dtypes!r} is not a tuple of names among {', '.join(FORMAT_OF)}"
            )
        tasks: dict[tuple[str, str], tuple[Kernel, ...]] = {}
        for kernel in self.kernels:
            if not isinstance(kernel, Kernel):
                raise BackendError(f"backend {self.name!r}: {kernel!r} in kernels is not a Kernel")
            task = kernel.function, kernel.direction
            tasks[task] = (*tasks.get(task, ()), kernel)
        object.__setattr__(self, "by_task", tasks)
