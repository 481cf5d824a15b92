"""What is said about one library only: PyTorch, JAX, Dask."""

from __future__ import annotations

from tests.errors.case import Case, Topic, cases

DISABLED = "with torch._dynamo.compiled_autograd._enable(torch.compile(backend='eager')): out.backward(t.detach())"

TORCH = (
    *cases("""
    ArrayTypeError         lsmx.log_softmax(t.to_sparse())
    ArrayTypeError         lsmx.log_softmax(torch.nested.nested_tensor([t[0], t[1, :2]]))
    NotImplementedError    lsmx.log_softmax_jacobian(t.requires_grad_())
    NotImplementedError    lsmx.cross_entropy(t, ti, weight=torch.ones(3, requires_grad=True)).backward()
    NotImplementedError    lsmx.cross_entropy(t, ti, weight=torch.ones(3, requires_grad=True), reduction="sum").backward()
    """),
    Case(f"out = lsmx.log_softmax(t.requires_grad_())\n{DISABLED}", "NotImplementedError"),
)

DISTRIBUTED = cases("""
    ArrayTypeError         lsmx.softmax_backward(t, cut(t, 0))
    NotImplementedError    lsmx.softmax(cut(t, 0, strided=True))
    NotImplementedError    lsmx.softmax_jacobian(cut(t, 1))
    NotImplementedError    extend.register("scaled", Scaled)(cut(t, 0), everywhere(torch.ones(3)).requires_grad_())
    NotImplementedError    gradient_by_classes(cut(t, 0), everywhere(t[0]))
    ArgumentError          vocabulary_parallel("argmax", t)
    ArrayTypeError         vocabulary_parallel("softmax", z)
    AxisError              vocabulary_parallel("softmax", t, axis=(0, 1))
    ClassError             vocabulary_parallel("log_prob", t, torch.tensor([0, 9]))
    ArgumentValueError     vocabulary_parallel("entropy", t, softcap=-1.0)
    NotImplementedError    torch.func.grad(lambda t: vocabulary_parallel("entropy", t).sum())(t)
""")

JAX = cases("""
    ArgumentValueError     jax.jit(lambda z, c: lsmx.entropy(z, softcap=c))(j, 30.0)
    ArgumentError          jax.jit(lambda z, k: lsmx.logsumexp(z, keepdims=k))(j, True)
    AxisError              jax.jit(lambda z, a: lsmx.softmax(z, axis=a))(j, 1)
    DTypeError             jax.jit(lsmx.softmax)(jnp.asarray(i, dtype="int32"))
    NotImplementedError    jax.jacfwd(lsmx.log_softmax_jacobian)(j)
""")

DASK = cases("""
    ArrayTypeError    lsmx.log_softmax(da.from_array(np.ma.masked_array(z), asarray=False))
    ShapeError        lsmx.log_softmax(of_unknown_sizes(z, 1, 3), axis=0)
    ShapeError        lsmx.log_softmax_backward(d, of_unknown_sizes(z, 1, 3))
    ShapeError        lsmx.log_softmax_backward(of_unknown_sizes(z, 2, 3), of_unknown_sizes(z, 1, 3))
""")

TOPICS = (
    Topic("PyTorch", TORCH),
    Topic(
        "torch.distributed",
        DISTRIBUTED,
        "`cut(t, a)` is a DTensor that is divided along axis `a`; `everywhere(t)` one that every process has; "
        "`Scaled` is `c * z`, with a number `c` for each class, and `gradient_by_classes` its gradient by that.",
    ),
    Topic("JAX", JAX),
    Topic("Dask", DASK, "`of_unknown_sizes(x, *chunks)` is a Dask array of which nobody knows how long its first axis is."),
)
