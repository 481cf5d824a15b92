"""lsmx under the names of other libraries."""

from __future__ import annotations

from tests.errors.case import Case, Topic, cases

ADAPTERS = (
    *cases("""
    ArgumentError         adapters.scipy.logsumexp(z, b=z)
    ArgumentError         adapters.scipy.logsumexp(z, return_sign=True)
    DTypeError            adapters.optax.softmax_cross_entropy(jnp.zeros((2, 3), "int32"), j)
    DTypeError            adapters.optax.softmax_cross_entropy_with_integer_labels(j, j)
    ShapeError            adapters.optax.softmax_cross_entropy(j, jnp.zeros((4, 3)))
    ArrayTypeError        adapters.sklearn.softmax([[0.0, 1.0]], copy=False)
    ArgumentValueError    adapters.sklearn.predict_log_proba(Votes(), z)
    ArgumentValueError    adapters.sklearn.predict_log_proba(Pairs(), z)
    ShapeError            adapters.torchtitan.cross_entropy_loss(t, ti, global_vocab_size=9)
    AttributeError        adapters.torchtitan.MSELoss
    ShapeError            adapters.transformers.causal_lm_loss(t, ti, vocab_size=9)
    ShapeError            adapters.transformers.causal_lm_loss(t, ti, vocab_size=3, shift_labels=ti[:1])
    ImportError           without("transformers"); adapters.transformers.register()
    """),
    Case('bare("trl.trainer.utils")\nwith adapters.trl.patched(): pass', "ImportError"),
)

TOPICS = (
    Topic(
        "lsmx.adapters",
        ADAPTERS,
        "`Votes` is a classifier whose probabilities are not the softmax of its decisions, and `Pairs` one that decides "
        "between two classes at a time. `without(library)` stands for a library that is not installed, and `bare(module)` for a "
        "version in which a module has nothing of what it had.",
    ),
)
