"""Changes of the law's headers, each in a file by its name, that the tests of all who read it have to see."""

CHANGES = {
    "one bit of a coefficient": ("constants.h", "0x1.120be20000000p-7", "0x1.120be00000000p-7"),
    "one operation": ("law.h", "return {h, (a - (h - t)) + (b - t)};", "return {h, (a - (h - t)) - (b - t)};"),
    "the order of two": ("law.h", "return (x - m) - L;", "return x - (m + L);"),
}
MORE_CHANGES = {
    "ln 2": ("constants.h", "ln2_lo = F(0x1.7f7d1c0000000p-20)", "ln2_lo = F(0x1.7f7e1c0000000p-20)"),
    "a coefficient of the logarithm": ("constants.h", "F(-0x1.000aac0000000p-2)", "F(-0x1.100aac0000000p-2)"),
    "an entry of the table": ("constants.h", "float(0x1.1f86000000000p-1)", "float(0x1.1f88000000000p-1)"),
    "where exp is 0": ("constants.h", "underflow = F(-0x1.5c00000000000p+6)", "underflow = F(-0x1.5800000000000p+6)"),
    "what counts as 0": ("constants.h", "least = F(0x1.0000000000000p-125)", "least = F(0x1.0000000000000p-126)"),
    "the grid": ("constants.h", "grid_second = F(0x1.8000000000000p-21)", "grid_second = F(0x1.8000000000000p-20)"),
    "the pieces of integers": ("law.h", "return fast_two_sum(s.high, rest + s.low);", "return fast_two_sum(s.high, s.low);"),
    "a second word": ("law.h", "(small + (s.f.low + product", "(small + (product"),
    "a flush": ("law.h", "N flush(N x) { return unless(magnitude(x) < Constants<N>::least, x); }", "N flush(N x) { return x; }"),
    "where s is near 1": ("law.h", "where(s.exp.k == Element<N>(0), near, far)", "where(s.exp.k == Element<N>(1), near, far)"),
    "the canonical NaN": ("numbers.h", "4 * Format<F>::bias + 3", "4 * Format<F>::bias + 1"),
}
LOSS_CHANGES = {  # the pass that sees it, by its name and by that of its struct
    "the maximum of no row": (
        "logsumexp_forward",
        "LogRowSumsForward",
        "passes.h",
        "l.value[j] = s.maximum[j];",
        "l.value[j] = s.m[j];",
    ),
    "a gradient over T": (
        "logsumexp_backward",
        "LogSumExpBackward",
        "kernels.cpp",
        "divide_line(l.out[j], c.n, temperature[j]);",
        ";",
    ),
    "an index of 64 bits": (
        "log_prob_forward",
        "LogProbForward",
        "copy.h",
        "return index >= 0 && index < c.n ? index :",
        "return int(index) >= 0 && int(index) < c.n ? int(index) :",
    ),
    "the order of axes": ("log_prob_forward", "LogProbForward", "geometry.cpp", "c.along_count, s.index)", "c.along_count, false)"),
    "a masked class": ("log_prob_forward", "LogProbForward", "kernels.cpp", "mask && !*mask ?", "false ?"),
    "a likely target": ("log_prob_backward", "LogProbBackward", "losses.h", "dominates && target ?", "false ?"),
    "a small distance": ("entropy_forward", "EntropyForward", "losses.h", "where(D2 > one, D2, one)", "one"),
    "a second word": ("entropy_backward", "EntropyBackward", "losses.h", "Words<F>{E[j], low[j]}", "Words<F>{E[j], F(0)}"),
    "one NaN": (
        "entropy_backward",
        "EntropyBackward",
        "loss_law.h",
        "return canonical(product(g, tanh(",
        "return (product(g, tanh(",
    ),
    "no rank": ("rank_forward", "RankForward", "losses.h", ": F(-1);", ": F(0);"),
    "no share": ("cross_entropy_forward", "CrossEntropyForward", "loss_law.h", "return unless(q == Element<N>(0), ", "return ("),
    "a sum's second word": ("cross_entropy_backward", "CrossEntropyBackward", "losses.h", "l.numbers[j][3]}}", "F(0)}}"),
    "a likely other": ("cross_entropy_backward", "CrossEntropyBackward", "losses.h", "if (top != i)", "if (false)"),
    "far rows": ("kl_forward", "KlForward", "divergence.h", "constexpr F FAR = 32", "constexpr F FAR = 64"),
    "a ratio's second word": ("kl_backward_z", "KlBackwardZ", "divergence.h", "(s.low + d.low)", "s.low"),
    "a class of one row": ("kl_backward_w", "KlBackwardW", "divergence.h", "Element<N>(0) - p, change);", "p, change);"),
    "a zero's sign": ("row_sums_forward", "RowSumsForward", "losses.h", "s.second[j] == 0 ? F(0) : s.second[j]", "s.second[j]"),
}
