"""The names of other libraries, in ``lsmx.adapters``."""

from __future__ import annotations

from tests.errors.case import Topic, cases

ADAPTERS = cases("""
    ArgumentError     from lsmx.adapters import scipy; scipy.logsumexp(z, b=g)
    ArgumentError     from lsmx.adapters import scipy; scipy.logsumexp(z, return_sign=True)
    ArrayTypeError    from lsmx.adapters import sklearn; sklearn.softmax([[1.0]], copy=False)
    ValueError        from lsmx.adapters import sklearn; sklearn.predict_log_proba(one_class_each(), [[0.0], [1.0]])
    ShapeError        from lsmx.adapters import torchtitan; torchtitan.cross_entropy_loss(t, ti, global_vocab_size=4)
    AttributeError    from lsmx.adapters import torchtitan; torchtitan.CrossEntropy
    ShapeError        from lsmx.adapters import transformers; transformers.causal_lm_loss(t, ti, vocab_size=4)
    ShapeError        from lsmx.adapters import transformers; transformers.causal_lm_loss(t, ti, 3, shift_labels=ti[:1])
""")

TOPICS = (Topic("Adapters", ADAPTERS),)
