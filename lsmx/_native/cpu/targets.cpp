// Which target runs: the best that the machine has, or the one that is asked for. And what the passes take.
#include "core.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#if defined(__x86_64__)
#include <cpuid.h>

namespace {

// By hand: __builtin_cpu_supports says no to everything under zig, whose runtime has no model of the processor
struct Features {
    bool avx2 = false, avx512 = false;
    Features() {
        unsigned a, b, c, d, state, high;
        if (!__get_cpuid(1, &a, &b, &c, &d) || !(c >> 27 & 1) || !(c >> 28 & 1)) return;  // OSXSAVE, AVX
        const bool fma = c >> 12 & 1, f16c = c >> 29 & 1;
        __asm__ volatile("xgetbv" : "=a"(state), "=d"(high) : "c"(0));
        if ((state & 0x06) != 0x06 || !__get_cpuid_count(7, 0, &a, &b, &c, &d)) return;
        avx2 = fma && f16c && (b >> 5 & 1);
        avx512 = avx2 && (state & 0xe6) == 0xe6 && (b >> 16 & 1) && (b >> 17 & 1) && (b >> 30 & 1) && (b >> 31 & 1);  // F, DQ, BW, VL
    }
};
const Features features;

}  // namespace
#endif

#define LSMX_HAS(NAMESPACE, CONDITION)      \
    namespace NAMESPACE {                   \
    extern const lsmx::Target the_target;   \
    bool available() { return CONDITION; }  \
    }

#if defined(__x86_64__)
LSMX_HAS(lsmx_baseline, true)
LSMX_HAS(lsmx_avx2, features.avx2)
LSMX_HAS(lsmx_avx512, features.avx512)
#elif defined(__aarch64__)
LSMX_HAS(lsmx_neon, true)
#else
LSMX_HAS(lsmx_baseline, true)
#endif

namespace lsmx {

const Target* const* targets() {
    static const Target* const all[] = {
#if defined(__x86_64__)
        &lsmx_avx512::the_target, &lsmx_avx2::the_target, &lsmx_baseline::the_target,
#elif defined(__aarch64__)
        &lsmx_neon::the_target,
#else
        &lsmx_baseline::the_target,
#endif
        nullptr};
    return all;
}

static const Target* chosen;

const char* use(const char* name) {
    for (auto t = targets(); *t; ++t) {
        if (name && strcmp(name, (*t)->name)) continue;
        if ((*t)->available()) {
            __atomic_store_n(&chosen, *t, __ATOMIC_RELEASE);
            return nullptr;
        }
        if (name) return "this processor does not have it";
    }
    return "there is no such target";
}

const Target* target() {
    const Target* t = __atomic_load_n(&chosen, __ATOMIC_ACQUIRE);
    if (!t) {
        use(nullptr);
        t = __atomic_load_n(&chosen, __ATOMIC_ACQUIRE);
    }
    return t;
}

const Shape& shape_of(Pass pass) {
    constexpr double none = -HUGE_VAL;
    static const Shape shapes[PASSES] = {
        // name, operands with rows, one number a row, numbers a row of the result, what operands have where a mask is false, and the
        // result; an index a row, rows in line only; what is scaled; numbers a row; the sums of exponentials; targets
        {"log_softmax_forward", 1, false, 0, {none, 0}, none, 0, false, NOT_SCALED, 0, WALKS, false},
        {"log_softmax_backward", 2, false, 0, {0, none}, 0, 0, false, NOT_SCALED, 0, NO_SUMS, false},
        {"log_softmax_backward_z", 2, false, 0, {0, none}, 0, 0, false, NOT_SCALED, 0, WALKS, false},
        {"log_softmax_jvp", 2, false, 0, {0, none}, 0, 0, false, NOT_SCALED, 0, NO_SUMS, false},
        {"log_softmax_jvp_z", 2, false, 0, {0, none}, 0, 0, false, NOT_SCALED, 0, WALKS, false},
        {"softmax_forward", 1, false, 0, {none, 0}, 0, 0, false, NOT_SCALED, 0, NO_SUMS, false},
        {"softmax_backward", 2, false, 0, {0, 0}, 0, 0, false, NOT_SCALED, 0, NO_SUMS, false},
        {"logsumexp_forward", 1, false, 1, {none, 0}, 0, 0, false, LOGITS, 0, PICKS, false},
        {"logsumexp_backward", 1, true, 0, {0, none}, 0, 0, false, GRADIENT, 0, WALKS, false},
        {"logsumexp_jvp", 2, false, 1, {0, none}, 0, 0, false, NOT_SCALED, 0, NO_SUMS, false},
        {"log_prob_forward", 1, false, 1, {none, 0}, 0, 1, true, LOGITS, 0, PICKS, false},
        {"log_prob_backward", 1, true, 0, {0, none}, 0, 1, true, GRADIENT, 0, WALKS, false},
        {"entropy_forward", 1, false, 1, {none, 0}, 0, 0, true, LOGITS, 0, WALKS, false},
        {"entropy_backward", 1, true, 0, {0, none}, 0, 0, true, GRADIENT, 0, WALKS, false},
        {"rank_forward", 1, false, 1, {none, 0}, 0, 1, true, LOGITS, 0, WALKS, false},
        {"cross_entropy_forward", 1, true, 1, {0, none}, 0, 1, true, LOGITS, 2, WALKS, false},
        {"cross_entropy_backward", 1, true, 0, {0, none}, 0, 1, true, GRADIENT, 4, WALKS, false},
        {"kl_forward", 2, false, 1, {none, none}, 0, 0, true, LOGITS, 0, NO_SUMS, false},
        {"kl_backward_z", 2, true, 0, {none, none}, 0, 0, true, GRADIENT, 0, NO_SUMS, false},
        {"kl_backward_w", 2, true, 0, {none, none}, 0, 0, true, GRADIENT, 0, NO_SUMS, false},
        {"row_sums_forward", 1, false, PARTS, {none, 0}, 0, 0, true, LOGITS, 0, NO_SUMS, false},
        {"weighted_cross_entropy_forward", 1, false, 1, {none, 0}, 0, 1, true, LOGITS, 0, WALKS, true},
        {"weighted_cross_entropy_backward", 1, true, 0, {0, none}, 0, 1, true, GRADIENT, 2, WALKS, true},
        {"cross_entropy_of_forward", 2, false, 1, {0, none}, 0, 0, true, LOGITS, 0, WALKS, true},
        {"cross_entropy_of_backward_z", 2, true, 0, {0, none}, 0, 0, true, GRADIENT, 2, WALKS, true},
        {"cross_entropy_of_backward_target", 1, true, 0, {0, none}, 0, 0, true, LOGITS, 0, WALKS, true},
        {"js_forward", 2, false, 1, {none, none}, 0, 0, true, LOGITS, 0, NO_SUMS, false},
        {"js_backward_z", 2, true, 0, {none, none}, 0, 0, true, GRADIENT, 0, NO_SUMS, false},
        {"js_backward_w", 2, true, 0, {none, none}, 0, 0, true, GRADIENT, 0, NO_SUMS, false},
        {"log_probs_forward", 1, false, 1, {none, 0}, 0, SEVERAL, true, LOGITS, 0, PICKS, false},
        {"log_probs_backward", 1, true, 0, {0, none}, 0, SEVERAL, true, GRADIENT, 0, WALKS, true},
        {"ranks_forward", 1, false, 1, {none, 0}, 0, SEVERAL, true, LOGITS, 0, WALKS, false},
        {"row_top_forward", 1, false, PARTS, {none, 0}, 0, 0, true, LOGITS, 0, NO_SUMS, false},
        {"row_digits_forward", 1, false, PARTS, {none, 0}, 0, 0, true, LOGITS, 0, NEEDS, false},
        {"row_magnitude_forward", 1, false, PARTS, {0, none}, 0, 0, true, NOT_SCALED, 0, NO_SUMS, false},
        {"row_integer_forward", 1, false, PARTS, {0, none}, 0, 0, true, NOT_SCALED, 0, NEEDS, false},
        {"row_gradient_backward", 2, true, 0, {0, none}, 0, 0, true, NOT_SCALED, 2, WALKS, false},
    };
    return shapes[pass];
}

}  // namespace lsmx
