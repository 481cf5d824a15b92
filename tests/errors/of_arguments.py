"""Arguments that all functions share: arrays, dtypes, axes, masks, outputs, options."""

from __future__ import annotations

import lsmx
from tests.errors.case import Case, Topic, cases, theirs

ARRAYS = cases("""
    ArrayTypeError    lsmx.log_softmax([1.0, 2.0])
    ArrayTypeError    lsmx.log_softmax(np.float32(3))
    ArrayTypeError    lsmx.log_softmax(None)
    ArrayTypeError    lsmx.log_softmax(Series())
    ArrayTypeError    lsmx.log_softmax_backward(z)
    ArrayTypeError    lsmx.log_prob(z, [0, 2])
    ArrayTypeError    lsmx.log_prob(z, ti)
    ArrayTypeError    lsmx.kl_divergence(z, None)
    ArrayTypeError    lsmx.backend_for([1.0])
    DeviceError       lsmx.log_prob(t.to("meta"), ti)
    DeviceError       lsmx.log_softmax(t, out=t.to("meta"))
    ArrayTypeError    lsmx.log_softmax(np.matrix(z))
    ArrayTypeError    lsmx.log_softmax(np.ma.masked_array(z, z > 1))
    ArrayTypeError    lsmx.log_softmax(np.zeros(2, [("a", "f4")]).view(np.recarray))
    ArrayTypeError    lsmx.log_softmax(z.view(Quantity))
""")

DTYPES = cases("""
    DTypeError    lsmx.log_softmax(i)
    DTypeError    lsmx.log_softmax_backward(i, z)
    DTypeError    lsmx.log_softmax_backward(z.astype("float64"), z)
    DTypeError    lsmx.kl_divergence(z, z.astype("float64"))
    DTypeError    lsmx.log_softmax(z.astype("complex64"))
    DTypeError    lsmx.log_softmax(np.asarray(["a"]))
    DTypeError    lsmx.log_softmax(z.astype(object))
    DTypeError    lsmx.log_softmax(np.asarray(["2020-01-01"], "M8[D]"))
    DTypeError    lsmx.log_softmax(np.zeros(2, [("a", "f4")]))
    DTypeError    lsmx.log_softmax(torch.quantize_per_tensor(t, 0.1, 0, torch.qint8))
    DTypeError    lsmx.log_softmax(z, dtype="complex64")
    DTypeError    lsmx.log_softmax(z, dtype=z)
    DTypeError    lsmx.log_softmax(z, dtype="bfloat16")
""")

AXES = cases("""
    AxisError        lsmx.log_softmax(z, axis=2)
    AxisError        lsmx.log_softmax(z, axis=(0, 5))
    AxisError        lsmx.log_softmax(z, axis=(0, -2))
    AxisError        lsmx.log_softmax(z, axis=())
    AxisError        lsmx.log_softmax(z, axis="1")
    AxisError        lsmx.log_softmax(z, axis=np.asarray([0, 1]))
    AxisError        lsmx.log_softmax(np.asarray(1.0))
    ShapeError       lsmx.row_sums(np.asarray(1.0), axis=None)
    ArgumentError    lsmx.logsumexp(z, keepdims=1)
""")

MASKS = cases("""
    ArrayTypeError    lsmx.log_softmax(z, where=[True, False, True])
    DTypeError        lsmx.log_softmax(z, where=z)
    ShapeError        lsmx.log_softmax(z, where=np.ones((4, 3), bool))
    ArrayTypeError    lsmx.log_softmax(z, where=t > 0)
    DTypeError        extend.registered()["log_softmax"].function.forward(extend.Context(), z, where=[True, False, True])
""")

OUTPUTS = (
    *cases("""
    ArrayTypeError    lsmx.log_softmax(z, out=[1.0])
    ShapeError        lsmx.log_softmax(z, out=np.zeros((3, 2), np.float32))
    OutputError       lsmx.log_softmax(z, out=np.zeros((2, 3)))
    OutputError       lsmx.log_softmax(z, out=np.broadcast_to(g[:, None], (2, 3)))
    """),
    theirs(
        "OutputError",
        "lsmx.log_softmax(z, out=np.frombuffer(bytes(24), np.float32).reshape(2, 3))",
        r"(?<=to: ).*(?=; pass another)",
        "NumPy",
    ),
    theirs("OutputError", "lsmx.log_softmax(t, out=torch.zeros(1, 3).expand(2, 3))", r"(?<=to: ).*(?=; pass another)", "PyTorch"),
    theirs("OutputError", "lsmx.log_softmax(j, out=j)", r"(?<=to: ).*(?=; pass another)", "JAX"),
    *cases("""
    OutputError       lsmx.log_softmax(d, out=z)
    """),
)

SHAPES = cases("""
    ShapeError    lsmx.log_softmax_backward(z, z[:1])
    ShapeError    lsmx.logsumexp_backward(z, z, g)
    ShapeError    lsmx.log_softmax_jvp(g, z)
    ShapeError    lsmx.kl_divergence(z, z[:1])
    ShapeError    lsmx.log_prob_backward(g[:1], z, i)
    ShapeError    lsmx.cross_entropy_backward(g, z, i)
""")

OPTIONS = cases("""
    ArgumentError    lsmx.log_softmax(z, dim=1)
    ArgumentError    lsmx.log_softmax(z, 1)
    ArgumentError    lsmx.log_softmax(z, z)
    ArgumentError    lsmx.log_softmax(input=z)
    ArgumentError    lsmx.logsumexp(z, keepdim=True)
    ArgumentError    lsmx.logsumexp(z, b=z)
    ArgumentError    lsmx.softmax(z, mask=z > 1)
    ArgumentError    lsmx.softmax(z, temperature=2.0)
    ArgumentError    lsmx.cross_entropy(z, i, ignore_idx=0)
    ArgumentError    lsmx.registered()["log_softmax"](z, z)
    ArgumentError    lsmx.kl_divergence_jvp(z, z, z, z)
    ArgumentError    lsmx.js_divergence_jvp(None, None, z, z)
    AttributeError   lsmx.log_softmx
""")
SAID = (
    "backend_for",
    "explain",
    "finish",
    "merge",
    "partial",
    "registered",
    "row_sums",
    "set_num_threads",
    "get_num_threads",
    "using",
)
OTHERS = tuple(
    Case(f"lsmx.{name}(foo=1)", "ArgumentError", shown=False)
    for name in sorted({*lsmx.__all__} - {*SAID} | {"row_sums"})
    if name.islower() and not name.startswith("_")
)

TOPICS = (
    Topic(
        "arrays and their libraries",
        ARRAYS,
        "`Series` is a class with a shape and a dtype, and `Quantity` a `numpy.ndarray` with operations of its own.",
    ),
    Topic("dtype", DTYPES),
    Topic("axis and keepdims", AXES),
    Topic("where", MASKS),
    Topic("out", OUTPUTS),
    Topic("shapes of what goes together", SHAPES),
    Topic(
        "options by other names, or by position", OPTIONS + OTHERS, "Every public function says so, with what it accepts itself."
    ),
)
