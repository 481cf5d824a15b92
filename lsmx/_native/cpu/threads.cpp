// Rows shared out among threads, which are made for the call and joined before it returns: none is there to be forked, to outlive the
// call, or to be in the way of another. One that cannot be made is done without.
#include "core.h"

#include <pthread.h>
#include <signal.h>
#if defined(__x86_64__)
#include <immintrin.h>
#endif

namespace lsmx {

// Rounding to nearest-even, without flushing, whatever the caller has set
struct FloatingPoint {
#if defined(__x86_64__)
    unsigned before = _mm_getcsr();
    FloatingPoint() { if (before != 0x1f80) _mm_setcsr(0x1f80); }
    ~FloatingPoint() { if (before != 0x1f80) _mm_setcsr(before); }
#elif defined(__aarch64__)
    uint64_t before;
    FloatingPoint() {
        __asm__ volatile("mrs %0, fpcr" : "=r"(before));
        if (before) __asm__ volatile("msr fpcr, %0" : : "r"(uint64_t(0)));
    }
    ~FloatingPoint() { if (before) __asm__ volatile("msr fpcr, %0" : : "r"(before)); }
#endif
};

struct Work {
    const Call& call;
    const Target& target;
    int64_t multiple, fewest;
    int threads;
    int64_t next = 0;
    bool failed = false;

    // The next share: a part of what is left, so that no thread is waited for long
    bool take(int64_t& start, int64_t& stop) {
        start = __atomic_load_n(&next, __ATOMIC_RELAXED);
        do {
            if (start >= call.rows) return false;
            int64_t count = (call.rows - start) / (4 * threads);
            count = count < fewest ? fewest : count;
            count = (count + multiple - 1) / multiple * multiple;
            stop = start + count < call.rows ? start + count : call.rows;
        } while (!__atomic_compare_exchange_n(&next, &start, stop, true, __ATOMIC_RELAXED, __ATOMIC_RELAXED));
        return true;
    }
    void run() {
        FloatingPoint here;
        for (int64_t start, stop; take(start, stop);)
            if (!target.run(call, start, stop)) __atomic_store_n(&failed, true, __ATOMIC_RELAXED);
    }
};

static void* help(void* work) {
    static_cast<Work*>(work)->run();
    return nullptr;
}

static int threads_chosen = 1;
int threads_in_use() { return __atomic_load_n(&threads_chosen, __ATOMIC_RELAXED); }
void use_threads(int n) { __atomic_store_n(&threads_chosen, n, __ATOMIC_RELAXED); }

constexpr int64_t WORTH = int64_t(1) << 18, SHARE = int64_t(1) << 15;  // elements that are worth a thread, and a share
constexpr int MOST = 256;

bool run_all(const Call& call, int threads) {
    const Target& t = *target();
    const int64_t elements = call.rows * call.n;
    if (threads > 1 && threads > elements / (WORTH / 2)) threads = int(elements / (WORTH / 2));
    if (threads <= 1 || call.rows < 2) {
        FloatingPoint here;
        return t.run(call, 0, call.rows);
    }
    const int64_t multiple = t.multiple(call);
    Work work{call, t, multiple, SHARE / call.n + 1, threads < MOST ? threads : MOST};
    pthread_t helpers[MOST];
    int made = 0;
    sigset_t all, before;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);  // signals are the caller's
    pthread_attr_t attributes;
    pthread_attr_init(&attributes);
    pthread_attr_setstacksize(&attributes, 1 << 19);
    while (made < work.threads - 1 && pthread_create(&helpers[made], &attributes, help, &work) == 0) ++made;
    pthread_attr_destroy(&attributes);
    pthread_sigmask(SIG_SETMASK, &before, nullptr);
    work.run();
    for (int i = 0; i < made; ++i) pthread_join(helpers[i], nullptr);
    return !work.failed;
}

}  // namespace lsmx
