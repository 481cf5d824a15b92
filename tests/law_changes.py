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
