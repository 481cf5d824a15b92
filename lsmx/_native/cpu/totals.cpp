// The sum over all rows, rounded once, over a divisor (totals.py, mean.py): numbers are added as integers over the format's whole range.
#include "totals.h"

#include <string.h>

#undef LSMX_TARGET
#define LSMX_TARGET lsmx_totals
#include "../include/lsmx/law.h"

namespace LSMX_TARGET {

// An integer in digits of 32 bits, from fine to coarse, in units of the last bit of the least normal number
template <class F> class Total {
    using C = Format<F>;
    static constexpr int tiny = 1 - C::bias, precision = C::fraction + 1, count = (C::bias - tiny + precision + 1) / 32 + 4, low_bits = 27;
    int64 digits[count] = {};
    bool nan = false, up = false, down = false;

    void add_at(int64 part, int place) {
        const int64 shifted = int64(uint64(part) << (place & 31));
        digits[place >> 5] += shifted & 0xffffffff;
        digits[(place >> 5) + 1] += shifted >> 32;
    }
    void carry() {
        int64 over = 0;
        for (int k = 0; k + 1 < count; ++k) {
            digits[k] += over;
            over = digits[k] >> 32;
            digits[k] &= 0xffffffff;
        }
        digits[count - 1] += over;
    }

  public:
    void add(F v) {
        if (!finite(v)) {
            nan = nan || unordered(v);
            up = up || v > 0;
            down = down || v < 0;
        } else if (magnitude(v) >= C::least) {
            const auto word = bits(v);
            const int place = int((word >> C::fraction) & (2 * C::bias + 1)) - 1;
            const int64 size = int64(word & ((Unsigned<F>(1) << C::fraction) - 1)) | int64(1) << C::fraction;
            const int64 significand = v < 0 ? -size : size;
            add_at(significand & ((int64(1) << low_bits) - 1), place);
            add_at(significand >> low_bits, place + low_bits);
        }
    }
    // To nearest, ties to even
    F value() {
        if (nan || (up && down)) return not_a_number<F>();
        if (up || down) return up ? infinity<F>() : -infinity<F>();
        carry();
        const bool negative = digits[count - 1] < 0;
        if (negative) {
            for (int64& d : digits) d = -d;
            carry();
        }
        int top = count - 1;
        while (top > 0 && !digits[top]) --top;
        if (!digits[top]) return F(0);
        int bits_of_top = 0;
        while (bits_of_top < 63 && digits[top] >> bits_of_top) ++bits_of_top;
        // the number's first `precision` bits, and the rest
        const int64 last = int64(top) * 32 + bits_of_top - precision;  // the place of the last of them
        auto bit = [&](int64 at) { return at < 0 ? int64(0) : digits[at >> 5] >> (at & 31) & 1; };
        int64 q = 0;
        for (int i = precision - 1; i >= 0; --i) q = q << 1 | bit(last + i);
        bool sticky = false;
        for (int64 at = 0; at < last - 1 && !sticky; ++at) sticky = bit(at);
        if (bit(last - 1) && (sticky || (q & 1))) ++q;
        // of two exact scalings the second may overflow; what would be subnormal is flushed
        const int e = int(last) + tiny - C::fraction + precision, half = e >> 1;
        const F size = F(q) * power_of(F(-precision)) * power_of(F(half)) * power_of(F(e - half));
        return flush(negative ? -size : size);
    }
};

template <class F> static void mean(const lsmx::View& v, const lsmx::View& divisor, const lsmx::View& out, bool zero_if_empty) {
    Total<F> total;
    F x, d;
    const int64 elements = lsmx::elements_of(v), places = lsmx::elements_of(out);
    for (int64 i = 0; i < elements; ++i) {
        memcpy(&x, v.at.data + i * int64(sizeof x), sizeof x);
        total.add(x);
    }
    memcpy(&d, divisor.at.data, sizeof d);
    // [round(sum v) / d]
    const bool some = d >= Format<F>::least && d < Format<F>::largest_divisor;
    F value = some ? total.value() / d : d == 0 && zero_if_empty ? F(0) : not_a_number<F>();
    value = canonical(flush(value));
    for (int64 i = 0; i < places; ++i) memcpy(out.at.data + i * int64(sizeof value), &value, sizeof value);
}

}  // namespace LSMX_TARGET

namespace lsmx {

void mean_of(const View& v, const View& divisor, const View& out, bool zero_if_empty) {
    if (v.at.type == FLOAT64) lsmx_totals::mean<double>(v, divisor, out, zero_if_empty);
    else lsmx_totals::mean<float>(v, divisor, out, zero_if_empty);
}

}  // namespace lsmx
