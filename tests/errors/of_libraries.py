"""What is said about one library only: PyTorch, JAX, Dask."""

from __future__ import annotations

from tests.errors.case import Case, Topic, cases

TORCH = cases("""
    ArrayTypeError         lsmx.log_softmax(t.to_sparse())
    ArrayTypeError         lsmx.log_softmax(torch.nested.nested_tensor([t[0], t[1, :2]]))
    ArgumentValueError     torch.func.vmap(lambda c: lsmx.entropy(t, softcap=c))(torch.ones(2))
    NotImplementedError    lsmx.log_softmax_jacobian(t.requires_grad_()).sum().backward(create_graph=True)
    NotImplementedError    extend.registered()["mean_of_rows"](t, torch.tensor(2.0, requires_grad=True), axis=None).backward()
    NotImplementedError    double_backward(t, lambda t: extend.register("cube", Cube)(t))
    NotImplementedError    double_backward(t, lambda t: extend.register("cube", Saving)(t))
    NotImplementedError    torch.func.jvp(lambda t: torch.func.jvp(extend.register("cube", Moving), (t,), (t,))[1], (t,), (t,))
    NotImplementedError    torch._dynamo.compiled_autograd._enable(torch.compile).__enter__(); lsmx.log_softmax(t.requires_grad_()).sum().backward()
    NotImplementedError    with processes(): parallel("entropy", t.requires_grad_())
""")
TOPICS = (Topic("PyTorch", TORCH),)
