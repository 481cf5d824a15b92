"""What a server and a trainer computed for the same tokens, beside each other."""

from __future__ import annotations

from dataclasses import replace
from typing import Any, Literal

import numpy as np

from lsmx import ArgumentError, ShapeError, kl_divergence
from lsmx.extend import Array
from lsmx.testing.bits import bits
from lsmx.testing.comparison import DistributionComparison
from lsmx.testing.distance import Distance, total
from lsmx.testing.sides import Side, Tokens, Values, chosen_of, in_format, per_token, read

BLOCK = 2**22  # elements of whole rows that are compared at a time
SERIES = [1 / 362880, 1 / 40320, 1 / 5040, 1 / 720, 1 / 120, 1 / 24, 1 / 6, 1 / 2, 0, 0]  # of e^d - 1 - d


def unequal_rows(a: Values, b: Values) -> tuple[int, int, int]:
    """In how many rows some entry differs in a bit, how many entries do, and how many of these rows differ by a constant."""
    rows, entries, shifted, step = 0, 0, 0, max(1, BLOCK // max(1, a.shape[-1]))
    for i in range(0, len(a), step):
        x, y = (v[i : i + step] if a.dtype == b.dtype else v[i : i + step].astype(np.float64) for v in (a, b))
        differ = bits(x) != bits(y)
        unequal = differ.any(axis=-1)
        rows, entries = rows + int(unequal.sum()), entries + int(differ.sum())
        shifted += sum(by_constant(a[i + k], b[i + k]) for k in np.flatnonzero(unequal))
    return rows, entries, shifted


def by_constant(x: Values, y: Values) -> bool:
    """Whether two rows differ by one number, but for the rounding of their entries, and that is no rounding itself."""
    used = ~((x == y) & np.isinf(x))
    p, q = (v[used].astype(np.float64) for v in (x, y))
    if not len(p) or not np.isfinite(p).all() or not np.isfinite(q).all():
        return False
    unit = max(np.finfo(v.dtype).eps * float(np.abs(v[used].astype(np.float64)).max()) for v in (x, y))
    d = q - p
    return bool(np.ptp(d) <= 4 * unit < np.abs(d).min())


def divergence(a: Values, b: Values, temperature: Any) -> Values:
    """``KL(a || b)`` of each row."""
    wide = np.result_type(a, b, np.float32)
    kl: Values = kl_divergence(*(x.astype(wide, copy=False) for x in (a, b)), temperature=in_format(temperature, wide))
    return kl.astype(np.float64)


def excess(d: Values) -> Values:
    """``e^d - 1 - d``, by its series where that would be a difference of larger numbers."""
    return np.where(np.abs(d) < 1 / 16, np.polyval(SERIES, np.clip(d, -1, 1)), np.expm1(d) - d)


def compare_distributions(
    server: Array,
    trainer: Array,
    tokens: Array | None = None,
    *,
    rows: Literal["logits", "log_probs"] = "logits",
    temperature: Any = 1.0,
    where: Array | None = None,
) -> DistributionComparison:
    """How far a trainer's log-probs are from those of the server that drew the tokens.

    Each side gives either the log-probs of the chosen tokens, or whole rows; one may give the first and the other the second.

    Parameters
    ----------
    server : array
        Log-probs, of the shape of the tokens; or whole rows, with one more axis at the end, for which ``tokens`` is needed. In
        float16, bfloat16, float32 or float64, of any library and device.
    trainer : array
        The same of the trainer, not necessarily of the same dtype, library and device.
    tokens : array of int, optional
        Which classes were drawn: integers, one a row. None if both sides are log-probs of tokens.
    rows : {"logits", "log_probs"}, default "logits"
        What whole rows are: ``"logits"``, whose log-probs are taken by `lsmx.log_prob`, so that any difference is one of the
        logits; or ``"log_probs"``, as somebody's log-softmax made them, which are looked at as they are.
    temperature : float or array, default 1.0
        What logits are divided by: a positive number, or an array of one for each token.
    where : array of bool, optional
        Mask, bool, of the shape of the tokens: False leaves one out, such as padding, whatever stands there.

    Returns
    -------
    DistributionComparison
        A record of numbers. Print it to read it. It is true if no bit differs.

    Raises
    ------
    ArrayTypeError
        Something that is no array.
    DTypeError
        A dtype that is not named above, ``tokens`` that are not integers, or a mask that does not hold bools.
    ArgumentError
        A value of ``rows`` that there is not, log-probs above 0, or a ``temperature`` of log-probs.
    ShapeError
        Shapes that do not fit together.
    ClassError
        A token that counts and is no class of its row.

    See Also
    --------
    lsmx.log_prob : log-probs with the same bits in trainer and server.
    lsmx.kl_divergence : of whole rows, each by itself.

    Notes
    -----
    With the log-probs ``l`` of ``n`` tokens, ``d = l_trainer - l_server`` and ``w = e^d``:

    - difference: the largest and the mean ``|d|``;
    - KL(server || trainer) of whole rows: the mean of ``sum_c p_c (ln p_c - ln q_c)``, by `lsmx.kl_divergence`, which is right to
      the last digits of the rows' dtype also where the two are near. Rows of log-probs are normalised in it;
    - from the tokens alone, drawn by the server: ``k1 = mean(-d)`` and ``k3 = mean(e^d - 1 - d)`` [1]_. Both are KL in expectation;
      ``k3`` is never negative and, where the two are near, varies far less, so ``kl`` is ``k3`` then;
    - effective sample size: ``(sum w)^2 / (n sum w^2)`` [2]_.

    Differences and sums are in float64, and sums are rounded once, so that the order of the tokens does not matter. Tokens whose
    log-prob is NaN or ``-inf`` on some side are counted in ``not_finite`` and left out of all that, but for the unequal bits. KL of
    whole rows is ``inf`` where the trainer has no probability for a class that the server has.

    For weights of whole sequences, give the sums of their log-probs in place of log-probs.

    References
    ----------
    .. [1] Schulman, J., Approximating KL Divergence, 2020. http://joschu.net/blog/kl-approx.html
    .. [2] Kong, A., A note on importance sampling using standardized weights, University of Chicago, Technical Report 348, 1992.

    Examples
    --------
    >>> import lsmx, numpy as np
    >>> from lsmx.testing import compare_distributions
    >>> server = np.asarray([-0.5, -1.25, -2.0], dtype=np.float32)
    >>> trainer = server + np.asarray([0, 0, 2**-10], dtype=np.float32)
    >>> print(compare_distributions(server, trainer))
    log-probs of server and trainer: different
      server        float32 log-probs of tokens (3,)
      trainer       float32 log-probs of tokens (3,)
      tokens        3
      unequal bits  33.3 % of the log-probs
      difference    0.000326 nats in the mean, 0.000977 at most
      largest       at (2,): server -2, trainer -1.99902344
      KL            1.59e-07 nats, server to trainer, estimated by k3 (k1 -0.000326)
      weights       1.00032568 in the mean, 1.00097704 at most
      sample size   99.9999788003 % effective

    Of whole rows, KL is over all classes. A side of whole rows may stand beside one of chosen log-probs:

    >>> z = np.asarray([[1.0, 2.0, 3.0], [0.0, 0.0, 0.0]])
    >>> tokens = np.asarray([2, 0])
    >>> found = compare_distributions(z, z + np.asarray([0.0, 0.0, 1e-4]), tokens)
    >>> found.kl_by, float(f"{found.kl:.4g}"), found.at, bool(found)
    ('rows', 1.112e-09, (0,), False)
    >>> compare_distributions(z, lsmx.log_prob(z, tokens), tokens).max_difference
    0.0
    """
    if not isinstance(rows, str) or rows not in ("logits", "log_probs"):
        raise ArgumentError(f"rows: {rows!r} is not one of 'logits', 'log_probs'")
    drawn = Tokens.of(tokens, where, server)
    each = per_token(temperature, drawn)
    a, b = (read(name, x, drawn, rows, each) for name, x in (("server", server), ("trainer", trainer)))
    logits = rows == "logits" and not (a.rows is None and b.rows is None)
    if not logits and np.any(np.asarray(each) != 1):
        raise ArgumentError("temperature: logits are divided by it, and log-probs were given; leave it out, or give rows of logits")
    if logits and a.rows is not None and b.rows is not None and a.chosen.dtype != b.chosen.dtype:
        wide = np.result_type(a.rows, b.rows)
        a, b = (replace(side, chosen=chosen_of(x, drawn, each, wide)) for side, x in ((a, a.rows), (b, b.rows)))
    return compared(a, b, drawn, each)


def compared(a: Side, b: Side, tokens: Tokens, temperature: Any) -> DistributionComparison:
    """The record of two sides."""
    n, rows_unequal, rows_shifted, entries_unequal, kl = len(tokens.kept), None, None, None, None
    if a.rows is not None and b.rows is not None:
        if a.rows.shape != b.rows.shape:
            sizes = a.rows.shape[-1], b.rows.shape[-1]
            raise ShapeError(
                f"trainer: rows of {sizes[1]} classes, and those of server have {sizes[0]}; if some are padding, cut them off, "
                f"as in rows[..., :{min(sizes)}]"
            )
        rows_unequal, entries, rows_shifted = unequal_rows(a.rows, b.rows)
        entries_unequal = entries / a.rows.size if n else np.nan
        kl = divergence(a.rows, b.rows, temperature)
    x, y, apart = a.chosen.astype(np.float64), b.chosen.astype(np.float64), Distance()
    apart.add(x, y, "float64")
    finite = np.isfinite(x) & np.isfinite(y)
    d, m, away = y[finite] - x[finite], apart.finite, np.flatnonzero(~finite)

    def mean(values: Values) -> float:
        return total(values) / m if m else np.nan

    with np.errstate(over="ignore"):
        w, scaled, k3 = np.exp(d), np.exp(d - d.max(initial=-np.inf)), mean(excess(d))
    return DistributionComparison(
        server=a.said,
        trainer=b.said,
        tokens=n,
        equal=m > 0 and not apart.different and not rows_unequal,
        unequal=apart.different / n if n else np.nan,
        rows_unequal=rows_unequal,
        rows_shifted=rows_shifted,
        entries_unequal=entries_unequal,
        not_finite=n - m,
        server_nan=int(np.isnan(x).sum()),
        trainer_nan=int(np.isnan(y).sum()),
        server_inf=int(np.isinf(x).sum()),
        trainer_inf=int(np.isinf(y).sum()),
        first_not_finite=tokens.at(away[0]) if away.size else None,
        max_difference=apart.largest if m else np.nan,
        at=None if apart.at is None else tokens.at(apart.at),
        server_at=np.nan if apart.at is None else float(x[apart.at]),
        trainer_at=np.nan if apart.at is None else float(y[apart.at]),
        mean_difference=apart.mean if m else np.nan,
        kl=k3 if kl is None else mean(kl[finite]),
        kl_by="k3" if kl is None else "rows",
        k1=mean(-d) + 0.0,
        k3=k3,
        mean_weight=mean(w),
        max_weight=float(w.max()) if m else np.nan,
        effective_sample_size=min(total(scaled) ** 2 / (m * total(scaled * scaled)), 1.0) if m else np.nan,
    )
