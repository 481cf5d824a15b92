"""Functions, backends, and what says how a call goes."""

from __future__ import annotations

from tests.errors.case import Topic, cases

PLANS = cases("""
    BackendError          lsmx.explain(z, function="log_sofmax")
    BackendError          lsmx.explain(z, function=lsmx.softmax)
    BackendError          lsmx.explain(z, direction="up")
    BackendError          lsmx.explain(z, z, z)
    ArgumentError         lsmx.explain(z, temperature=2.0)
    ArgumentValueError    lsmx.explain(z, i, function="log_prob", temperature="x")
    BackendError          with lsmx.using(np): pass
    BackendError          with lsmx.using("nump"): pass
    BackendError          with lsmx.using("torch"): lsmx.log_softmax(z)
    ThreadsError          lsmx.set_num_threads(0)
    ThreadsError          lsmx.set_num_threads(1.5)
    ThreadsError          environment("LSMX_NUM_THREADS", "many"); lsmx.get_num_threads()
    ThreadsError          environment("LSMX_NUM_THREADS", "0"); lsmx.get_num_threads()
    TargetError           environment("LSMX_CPU", "sse9"); extend.core()
""")

FUNCTIONS = cases("""
    BackendError           extend.register("my cube", Cube)
    BackendError           extend.register("log_softmax", Cube)
    BackendError           extend.register("cube", print)
    BackendError           extend.register("cube", type("Half", (Cube,), {"backward": extend.Function.backward}))
    BackendError           extend.register("cube", type("Named", (Cube,), {"takes": ["z"]}))
    BackendError           extend.register("cube", type("Rows", (Cube,), {"takes": {"z": extend.INDEX}}))
    BackendError           extend.register("cube", type("Moves", (Cube,), {"gradients": ("w",)}))
    BackendError           extend.register("cube", type("Saves", (Cube,), {"residual": ("w",)}))
    BackendError           extend.register("cube", type("Lies", (Cube,), {"residual": ("output",)}))(z)
    ArgumentError          extend.register("cube", type("Flat", (Cube,), {"forward": flat_forward}))(z, axis=0)
    ArgumentError          extend.register("cube", Cube)(z, z)
    NotImplementedError    torch.func.jvp(extend.register("cube", Cube), (t,), (t,))
    NotImplementedError    double_backward(extend.register("cube", Cube), t)
    NotImplementedError    torch.func.jvp(torch.func.grad(lambda x: extend.register("cube", Saving)(x).sum()), (t,), (t,))
    NotImplementedError    torch.func.jvp(lambda x: torch.func.jvp(extend.register("cube", Moving), (x,), (t,))[1], (t,), (t,))
    NotImplementedError    lsmx.registered()["logsumexp"].function.jacobian(extend.Context(z))
    NotImplementedError    extend.Function.forward(extend.Context(), z)
    NotImplementedError    extend.Function.backward(extend.Context(z), z)
    NotImplementedError    extend.Function.jvp(extend.Context(z), z)
    TypeError              lsmx.registered()["softmax"].operations["forward"].values({"sharp": 1})
    ArgumentError          lsmx.registered()["cross_entropy"](z, i, elsewhere=True, label_smoothing=0.1)
    BackendError           torch.func.vmap(extend.register("cube", type("Odd", (Cube,), {"forward": odd_forward})))(t)
""")

BACKENDS = cases("""
    BackendError    record(name="")
    BackendError    record(roots=["numpy"])
    BackendError    record(owns=None)
    BackendError    record(dtypes=("float8",))
    BackendError    record(kernels=(print,))
    BackendError    extend.Kernel("fast", "log_softmax", "sideways", print)
    BackendError    extend.Kernel("fast", "log_softmax", "forward", None)
    BackendError    extend.register_backend("numpy")
    BackendError    extend.register_backend(record(roots=()))
    TypeError       extend.STANDARD.from_numpy(z, "float32", None)
    BackendError    lsmx.log_softmax(small(z, namespace=KeyError("version")))
    BackendError    lsmx.log_softmax(small(z, lacks="isfinite"))
    BackendError    lsmx.log_softmax(small(z, lacks="__array_namespace_info__ int64 int32"))
    BackendError    lsmx.log_softmax(small(z, dtypes=TypeError("asked wrongly")))
    BackendError    lsmx.log_softmax(small(z, dtypes=OSError("no driver")))
    BackendError    lsmx.log_softmax(small(z, take=ValueError("irregular chunks")))
    DTypeError      lsmx.log_softmax(small(z, astype=TypeError("no such cast")), dtype="float64")
    BackendError    lsmx.entropy(small(z, lacks="take_along_axis"), support=small(i[:, None], lacks="take_along_axis"))
    DTypeError      lsmx.log_softmax(on_x32(z.astype("float64")))
    ShapeError      lsmx.logsumexp(on_x32(np.zeros((1, 2**22 + 1), np.float32)))
    DTypeError      lsmx.cross_entropy(on_x32(z), on_x32(i.astype("int32")))
""")

TESTING = cases("""
    TypeError     testing.diagnose("log_softmax")
    TypeError     testing.diagnose(None, forward="log_softmax", function="cross_entropy")
    ValueError    testing.diagnose(len, function="relu")
    ValueError    testing.diagnose(len, forward=len)
    ValueError    testing.diagnose(len, shapes=[(1,)])
    ValueError    testing.diagnose(len, saves="target")
    ValueError    testing.diagnose(len, function="cross_entropy", options={"weight": z})
    ValueError    testing.diagnose(len, function="cross_entropy", options={"axis": 0})
    ValueError    testing.diagnose(len, function="cross_entropy", options={"temperature": -1})
    ValueError    testing.logits_cases(z.astype(complex), "z")
    ValueError    testing.logits_cases(z[0, 0], "z")
""")

TOPICS = (
    Topic(
        "explain, using, threads, the core's target", PLANS, "`environment(name, value)` is an environment variable of the process."
    ),
    Topic(
        "functions of one's own",
        FUNCTIONS,
        "`Cube` is a valid function, `z**3`, without rules of second derivatives; the others are made from it.",
    ),
    Topic(
        "backends of one's own",
        BACKENDS,
        "`record(...)` is a valid `extend.Backend` with other fields; `small(x, ...)` an array of a library without a backend, "
        "which lacks what is named, or raises it; `on_x32(x)` one on a device without 64-bit numbers.",
    ),
    Topic("lsmx.testing", TESTING),
)
