"""Options of the losses, and parts of rows."""

from __future__ import annotations

from tests.errors.case import Topic, cases, theirs

INDICES = cases("""
    ClassError    lsmx.log_prob(z, np.asarray([0, 3]))
    ClassError    lsmx.log_prob(z, np.asarray([-1, 2]))
    ClassError    lsmx.cross_entropy(z, np.asarray([0, 3]))
    DTypeError    lsmx.log_prob(z, g)
    DTypeError    lsmx.log_prob(z, i > 0)
    ShapeError    lsmx.log_prob(z, np.asarray([0, 1, 2]))
    DTypeError    lsmx.cross_entropy(z, i > 0)
    DTypeError    lsmx.cross_entropy(z, z.astype("float64"))
    ShapeError    lsmx.cross_entropy(z, z[:1])
""")

TEMPERATURES = cases("""
    ArgumentValueError    lsmx.log_prob(z, i, temperature=0)
    ArgumentValueError    lsmx.log_prob(z, i, temperature="0.7")
    ArgumentValueError    lsmx.log_prob(z, i, temperature=10**400)
    ArgumentError         lsmx.log_prob(z, i, temperature=1e-42)
    ArgumentValueError    lsmx.log_prob(z, i, temperature=np.asarray([1.0, 0.0], np.float32))
    ShapeError            lsmx.log_prob(z, i, temperature=np.ones(3, np.float32))
    DTypeError            lsmx.log_prob(z, i, temperature=np.ones(2))
    ArrayTypeError        lsmx.log_prob(z, i, temperature=torch.ones(2))
    ArgumentValueError    lsmx.log_prob(z, i, softcap=-30.0)
    ArgumentValueError    lsmx.log_prob(z, i, softcap=z)
""")

SUPPORTS = cases("""
    ArrayTypeError    lsmx.log_prob(z, i, support=[[0, 2], [0, 2]])
    ArrayTypeError    lsmx.log_prob(z, i, support=torch.tensor([[0, 2], [0, 2]]))
    DTypeError        lsmx.log_prob(z, i, support=z)
    ShapeError        lsmx.log_prob(z, i, support=i)
    ShapeError        lsmx.log_prob(z, i, support=np.zeros((2, 0), int))
    ClassError        lsmx.log_prob(z, i, support=np.asarray([[0, 2], [2, 3]]))
    ClassError        lsmx.log_prob(z, i, support=np.asarray([[0, 2], [0, 1]]))
    ArgumentError     lsmx.entropy(z, axis=None, support=i)
    ArgumentError     lsmx.entropy(z, support=(i, i, i))
    ShapeError        lsmx.entropy(z, support=(i, i))
    ShapeError        lsmx.entropy(z, support=(i[None], i))
    DTypeError        lsmx.entropy(z, support=(g, i))
    ArgumentError     jax.jit(lambda z, v, o: lsmx.entropy(z, support=(v, o)))(j, jnp.asarray(i), jnp.asarray([0, 1, 2]))
    ArgumentError     lsmx.partial("entropy", z, size=6, support=np.asarray([[0], [1]]))
    DTypeError        lsmx.entropy(z, support=np.zeros((2, 1), int), where=z)
    ArrayTypeError    lsmx.log_prob(z, i, row_sums=3.0)
    DTypeError        lsmx.log_prob(z, i, row_sums=lsmx.row_sums(z).astype("float64"))
    ShapeError        lsmx.log_prob(z, i, row_sums=z)
    ArrayTypeError    lsmx.log_prob(z, i, row_sums=torch.zeros(2, 4))
""")

LOSSES = cases("""
    ArrayTypeError        lsmx.cross_entropy(z, i, weight=[1.0, 1.0, 1.0])
    ShapeError            lsmx.cross_entropy(z, i, weight=np.ones(4, np.float32))
    DTypeError            lsmx.cross_entropy(z, i, weight=np.ones(3))
    ArgumentValueError    lsmx.cross_entropy(z, i, reduction="avg")
    ArgumentValueError    lsmx.cross_entropy(z, i, reduction=z)
    ArgumentValueError    lsmx.cross_entropy(z, i, empty="one")
    ArgumentValueError    lsmx.cross_entropy(z, i, label_smoothing=1.5)
    ArgumentValueError    lsmx.cross_entropy(z, i, label_smoothing="a")
    ArgumentValueError    lsmx.cross_entropy(z, i, z_loss=-1e-4)
    ArgumentError         lsmx.cross_entropy(z, i, ignore_index=1.5)
    ArgumentError         lsmx.cross_entropy(z, i, ignore_index=True)
    ArgumentValueError    lsmx.cross_entropy(z, i, ignore_index=10**20)
    ArgumentValueError    lsmx.cross_entropy(z, i, normalizer=-1)
    ShapeError            lsmx.cross_entropy(z, i, normalizer=g)
    DTypeError            lsmx.cross_entropy(z, i, normalizer=np.asarray("a"))
    DTypeError            lsmx.cross_entropy(z, i, normalizer=np.asarray(True))
    ArrayTypeError        lsmx.cross_entropy(z, i, normalizer=torch.tensor(2.0))
    ArgumentError         lsmx.cross_entropy(z, i, normalizer=2, reduction="sum")
""")

LINEAR = (
    *cases("""
    ArrayTypeError        lsmx.linear_log_prob(np.float32(1), z, i)
    ShapeError            lsmx.linear_log_prob(np.asarray(1.0), z, i)
    ShapeError            lsmx.linear_log_prob(z, z.T, i)
    ShapeError            lsmx.linear_log_prob(z, z, np.asarray([0, 1, 1]))
    ClassError            lsmx.linear_log_prob(z, z, i)
    DTypeError            lsmx.linear_log_prob(z, z.astype("float64"), np.asarray([0, 1]))
    DTypeError            lsmx.linear_log_prob(z, z.astype(int), np.asarray([0, 1]))
    ShapeError            lsmx.linear_log_prob(z, z, np.asarray([0, 1]), bias=g[:1])
    ArrayTypeError        lsmx.linear_log_prob(z, z, np.asarray([0, 1]), bias=0.5)
    ShapeError            lsmx.linear_log_prob(z, z, np.asarray([0, 1]), temperature=np.ones(3, np.float32))
    ShapeError            lsmx.linear_cross_entropy(z, z, np.asarray([0, 1]), class_weight=np.ones(3, np.float32))
    ArrayTypeError        lsmx.linear_cross_entropy(z, z, np.asarray([0, 1]), class_weight=[1.0, 1.0])
    ShapeError            lsmx.linear_cross_entropy_backward(z, z, z, np.asarray([0, 1]))
    ArgumentValueError    lsmx.linear_log_prob(z, z, np.asarray([0, 1]), chunk=0)
    """),
    theirs("DTypeError", "lsmx.linear_log_prob(t, t.bfloat16(), torch.tensor([0, 1]))", r"(?<=\().*(?=\); cast)", "PyTorch"),
)

PARTS = cases("""
    ArgumentError       lsmx.partial("argmax", z, size=6)
    ArgumentError       lsmx.partial("softmax_jacobian", z, size=6)
    ArgumentError       lsmx.partial("linear_log_prob", z, z, i, size=6)
    PartError           lsmx.partial("softmax", z, size="6")
    PartError           lsmx.partial("softmax", z, size=(3, 3))
    PartError           lsmx.partial("softmax", z, size=6, start=4)
    PartError           lsmx.partial("softmax", z, size=6, start=(0, 3))
    ArgumentError       lsmx.partial("softmax", z, size=6, out=z)
    ArgumentError       lsmx.partial("softmax", z, size=6, whole=3)
    ArgumentError       lsmx.merge(z)
    PartError           lsmx.merge(lsmx.partial("softmax", z, size=6), lsmx.partial("softmax", z, size=9))
    PartError           lsmx.merge(lsmx.partial("softmax", z, size=6), lsmx.partial("entropy", z, size=6))
    PartError           lsmx.merge(lsmx.partial("softmax", z, size=6), lsmx.partial("softmax", t, size=6))
    PartError           lsmx.merge(*[lsmx.partial("softmax", z, size=6)] * 3)
    PartError           lsmx.merge(whole, lsmx.partial("softmax", z, size=3, whole=whole))
    PartError           lsmx.finish("softmax", z, whole=lsmx.partial("softmax", z, size=6))
    PartError           lsmx.finish("softmax", z, whole=whole)
    ArrayTypeError      lsmx.finish("softmax", t, whole=whole)
    PartError           lsmx.finish("entropy", z, whole=whole)
    ArgumentError       lsmx.finish("softmax", z, whole=z)
    NotImplementedError lsmx.partial("softmax", t.clone().requires_grad_(), size=6)
    NotImplementedError jax.grad(lambda z: lsmx.partial("entropy", z, size=3).nbytes * z.sum())(j)
""")

TOPICS = (
    Topic("index and target", INDICES),
    Topic("temperature and softcap", TEMPERATURES),
    Topic("support and row_sums", SUPPORTS),
    Topic("weight, reduction, normalizer, and the rest of cross-entropy", LOSSES),
    Topic("losses of a product", LINEAR),
    Topic("rows in parts", PARTS, '`whole` is `lsmx.partial("softmax", z, size=3)`, of which one more round is to be asked.'),
)
