"""Somebody's own gradient, called on probes: its results, and whether it has changed its inputs."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar, Self

import numpy as np
import numpy.typing as npt

import lsmx
from lsmx import ArrayTypeError, backend_for, registered, using
from lsmx.extend import Array, described, dtype_name
from lsmx.testing.answers import EPS_AND_TINY, Answer, slack
from lsmx.testing.bits import bits, differing, quantise
from lsmx.testing.gradients import OF_CLASSES, correct, onehot
from lsmx.testing.options import ACCEPTED, OF_NUMBERS, TRIED, with_options
from lsmx.testing.probes import Probe, dressed, ordinary
from lsmx.testing.signatures import keywords, parameters, with_context
from lsmx.testing.tasks import Target, target_like


def unusable(result: Any, z: Array, gives: str) -> str | None:
    """Why a result cannot be compared at all (another type or library), or None."""
    try:
        if backend_for(result) is backend_for(z):
            return None
    except ArrayTypeError:
        named = "None" if result is None else f"a {described(result)}"
        return f"It returns {named}, not an array: return the {gives} itself."
    return f"It returns a {described(result)} for a {described(z)}: stay within the library."


@dataclass(frozen=True)
class Candidate:
    """A gradient, and how it is to be called."""

    part: ClassVar[str] = "gradient"
    gives: ClassVar[str] = "gradient"
    backward: Callable[..., Any]
    function: str
    where: Target
    dtype: str
    saves: tuple[str, ...]
    axis: str | None
    masks: str | None
    always_masks: bool = False  # it has no default for its mask
    one_hot: bool = False
    takes: tuple[str, ...] = ()  # the options that it has as keywords
    built_in: Mapping[str, Any] = field(default_factory=dict)  # those that it always has

    @classmethod
    def of(
        cls,
        backward: Callable[..., Any],
        function: str,
        like: Array,
        saves: tuple[str, ...],
        one_hot: bool = False,
        built_in: Mapping[str, Any] | None = None,
    ) -> Self:
        """Read the signature; a callable that shows none gets arrays only."""
        named = keywords(backward)
        if [p.name for p in parameters(backward)[:1]] == ["ctx"]:
            backward, named = with_context(backward), set()

        def keyword(*names: str) -> str | None:
            return next((name for name in names if name in named), names[0] if "**" in named else None)

        masks = keyword("where", "mask")
        always = any(p.name == masks and p.default is p.empty for p in parameters(backward))
        where, dtype = target_like(like), dtype_name(like.dtype)
        takes = tuple(name for name in ACCEPTED.get(function, ()) if name in named)
        return cls(backward, function, where, dtype, saves, keyword("axis", "dim"), masks, always, one_hot, takes, built_in or {})

    @property
    def integers(self) -> str:
        """The dtype of class numbers: JAX has no other unless it is told to, PyTorch's one_hot takes no other."""
        return "int32" if self.where.name == "jax" else "int64"

    @property
    def reduces(self) -> bool:
        """Whether the cotangent is one number a row."""
        return self.function in ("logsumexp", *OF_CLASSES)

    def made(self, values: npt.NDArray[Any]) -> Array:
        """A new array of the library."""
        return self.where.from_numpy(quantise(values, self.dtype), self.dtype)

    def raises(self, shapes: Sequence[tuple[int, ...]]) -> int:
        """How many ordinary inputs it raises on."""
        probes = [dressed(probe, self.built_in) for probe in ordinary(shapes, False, self.reduces)]
        return sum(bool(self.answer(probe).raised) for probe in probes)

    def lines(self, probe: Probe) -> str:
        """The right ones."""
        if probe.options:
            return with_options(self.function, self.saves, probe.options, probe.z.shape[probe.axis], self.one_hot)
        return correct(self.function, self.saves, masked=probe.where is not None, one_hot=self.one_hot)

    def handed(self, g: Array, known: dict[str, Array]) -> dict[str, Array]:
        """What it is called with by position, by its name."""
        target = {"target": known["target"]} if "target" in known else {}
        return {"grad_output": g, **{name: known[name] for name in self.saves}, **target}

    def keywords(self, probe: Probe) -> dict[str, Any]:
        """What it is called with by keyword: the axis, and the options that it takes; one that is not asked for has its default."""
        options = {} if self.axis is None else {self.axis: probe.axis}
        given = {"reduction": "none"} | dict(probe.options)
        return options | {name: self.option(name, given[name]) for name in self.takes if name in given}

    def trials(self) -> list[dict[str, Any]]:
        """The options that it takes by keyword, each alone and some together: what is divided by depends on what counts."""
        takes = [name for name in self.takes if name not in self.built_in]
        together = [{"reduction", "ignore_index"}, {"reduction", "weight"}, {"label_smoothing", "weight"}, set(takes)]
        chosen = [*({name} for name in takes), *(names for names in together if names <= set(takes) and len(names) > 1)]
        each = [
            {name: TRIED[name] for name in takes if name in names} for names in chosen if not (self.one_hot and names & OF_NUMBERS)
        ]
        outside = [{"ignore_index": -100}] if "ignore_index" in takes and not self.one_hot else []
        return [*(options for i, options in enumerate(each) if options not in each[:i]), *outside]

    def option(self, name: str, value: Any) -> Any:
        """As the library has it."""
        return self.made(value) if name == "weight" else value

    def accepts(self, dtype: str, given: Array) -> bool:
        """Whether its result may have this dtype."""
        return dtype == dtype_name(given.dtype)

    def answer(self, probe: Probe) -> Answer:
        """Call it on one probe."""
        mask = None if probe.where is None else self.where.from_numpy(probe.where.copy(), "bool")
        g, known, own = self.known(probe, mask)
        lines, handed, options = self.lines(probe), self.handed(g, known), self.keywords(probe)
        if self.masks and (mask is not None or self.always_masks):
            everything = np.ones(probe.z.shape, dtype=bool)
            options[self.masks] = self.where.from_numpy(everything, "bool") if mask is None else mask
        watched = handed if mask is None else handed | {"where": mask}
        before = {name: np.array(self.where.to_numpy(x)) for name, x in watched.items()}
        exact = {name: np.array(self.where.to_numpy(x), dtype=np.float64) for name, x in (("g", g), *known.items())}
        given = {"g": exact["g"], "z": exact["z"], "out": exact["output"], "axis": probe.axis, "where": probe.where}
        if "target" in known:
            given |= {"p": exact["softmax"], "target": exact["target"] if self.one_hot else probe.target}
        given |= self.exact_options(probe)
        scaled = exact["z"] / probe.options.get("temperature", 1.0)
        given["slack"] = 1.0 if self.saves in (("output",), ("softmax",)) else slack(scaled, probe.axis)
        given["log_length"] = np.log(probe.z.shape[probe.axis])

        def changed() -> list[tuple[str, str]]:
            now = {name: np.array(self.where.to_numpy(x)) for name, x in watched.items()}
            harmed = [name for name in now if (word(now[name]) != word(before[name])).any()]
            return [("inputs changed", f"It changes {name} in place: work on a copy.") for name in harmed]

        try:
            with np.errstate(all="ignore"):
                result = self.backward(*handed.values(), **options)
        except Exception as error:  # whatever it raises is reported in the diagnosis
            return Answer(probe, lines, given, self.dtype, None, f"{type(error).__name__}: {error}", tuple(changed()))
        if self.part != "gradient" and isinstance(result, np.generic):
            result = np.asarray(result)  # what NumPy makes of arrays without axes
        reason = unusable(result, g, self.gives)
        if reason is not None:
            return Answer(probe, lines, given, self.dtype, None, "", ((f"no {self.gives}", reason), *changed()))
        got, faults = np.array(self.where.to_numpy(result)), []
        if got.shape != own.shape:
            right = "" if own.shape == probe.z.shape else f", where {own.shape} is right"
            faults.append(("wrong shape", f"It returns shape {got.shape} for logits of shape {probe.z.shape}{right}."))
        if not self.accepts(dtype_name(result.dtype), g):
            faults.append(("wrong dtype", f"It returns {dtype_name(result.dtype)} for logits of {self.dtype}."))
            if dtype_name(result.dtype) not in EPS_AND_TINY:
                return Answer(probe, lines, given, self.dtype, None, "", (*faults, *changed()))
        coarser = max(self.dtype, dtype_name(result.dtype), key=lambda name: EPS_AND_TINY[name])
        return Answer(
            probe, lines, given, coarser, got, "", (*faults, *changed()), differing(np.atleast_1d(got), np.atleast_1d(own)) is None
        )

    def known(self, probe: Probe, mask: Array | None) -> tuple[Array, dict[str, Array], npt.NDArray[Any]]:
        """The cotangent, what a forward pass may have saved, and the gradient with the bits of lsmx."""
        losing = self.function in OF_CLASSES
        operator = registered()["log_softmax" if losing else self.function]
        z, g = self.made(probe.z), self.made(probe.g)
        known = {"z": z}
        with using("reference"):  # the same bits as a kernel's, and nothing to compile
            known["output"] = operator(z, axis=probe.axis, where=mask)
            if losing:
                classes = probe.target if "ignore_index" not in probe.options else np.maximum(probe.target, 0)
                y, scaled = onehot(classes, probe.z.shape[probe.axis], probe.axis), z
                if "temperature" in probe.options:
                    scaled = self.made(probe.z / probe.options["temperature"])
                    known["output"] = operator(scaled, axis=probe.axis)
                known["softmax"] = registered()["softmax"](scaled, axis=probe.axis, where=mask)
                known["target"] = self.made(y) if self.one_hot else self.where.from_numpy(probe.target, self.integers)
                return g, known, self.own(probe, g, z, mask)
            residual = {name: known[name] for name in operator.function.residual}
            own = operator.derivative("backward", {"grad_output": g}, residual, probe.axis, mask)
        return g, known, np.array(self.where.to_numpy(own))

    def exact_options(self, probe: Probe) -> dict[str, Any]:
        """The options as the lines name them."""
        names = {"label_smoothing": "eps", "reduction": "reduction", "ignore_index": "ignore_index", "temperature": "temperature"}
        given = {names[name]: value for name, value in probe.options.items() if name in names}
        if "weight" in probe.options:
            given["weight"] = np.array(self.where.to_numpy(self.made(probe.options["weight"])), dtype=np.float64)
        return given

    def own(self, probe: Probe, g: Array, z: Array, mask: Array | None) -> npt.NDArray[Any]:
        """The gradient of a loss with the bits of lsmx."""
        options = {name: self.option(name, value) for name, value in probe.options.items()}
        if self.function == "cross_entropy":
            options.setdefault("reduction", "none")
        target = self.where.from_numpy(probe.target, self.integers)
        backward = getattr(lsmx, f"{self.function}_backward")
        return np.array(self.where.to_numpy(backward(g, z, target, axis=probe.axis, where=mask, **options)))


def word(x: npt.NDArray[Any]) -> npt.NDArray[Any]:
    """Bit patterns of floats; masks and class numbers as they are."""
    return bits(x) if x.dtype.kind == "f" else x
