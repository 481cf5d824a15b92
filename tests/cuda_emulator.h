// As much of CUDA as the kernels use, on the host: blocks one after the other, their threads as fibers that take turns at barriers.
// Barriers and shuffles are waited for by all that take part; if they do not all come, that is an error and not a hang.

#include <setjmp.h>
#include <ucontext.h>

#include <cmath>
#include <cstring>
#include <memory>
#include <utility>

#define __CUDACC__
#define __device__
#define __global__
#define __shared__
#define __forceinline__ inline
#define __noinline__
#define __launch_bounds__(...)

struct Dim {
    unsigned x;
};
static Dim threadIdx, blockIdx, blockDim, gridDim;

inline unsigned __float_as_uint(float x) { unsigned y; memcpy(&y, &x, 4); return y; }
inline float __uint_as_float(unsigned x) { float y; memcpy(&y, &x, 4); return y; }
inline long long __double_as_longlong(double x) { long long y; memcpy(&y, &x, 8); return y; }
inline double __longlong_as_double(long long x) { double y; memcpy(&y, &x, 8); return y; }
inline float __fmaf_rn(float a, float b, float c) { return std::fma(a, b, c); }
inline double __fma_rn(double a, double b, double c) { return std::fma(a, b, c); }
inline int min(int a, int b) { return a < b ? a : b; }
inline long long min(long long a, long long b) { return a < b ? a : b; }

inline float half_to_float(unsigned short x) { _Float16 y; memcpy(&y, &x, 2); return y; }
inline unsigned short float_to_half(float x) { _Float16 y = x; unsigned short z; memcpy(&z, &y, 2); return z; }

namespace emulator {

constexpr int MOST = 1024, STACK = 1 << 16, ROOM = 1 << 18, POISON = 0xA5;
enum Error { NONE, STUCK, BEYOND_SHARED_MEMORY, BAD_SHUFFLE, OTHER_ARGUMENTS };

struct Barrier {
    int arrived, generation;
};

static jmp_buf scheduler, fibers[MOST];
static bool started[MOST];
static std::unique_ptr<char[]> stacks(new char[size_t(MOST) * STACK]);
static bool done[MOST];
static char exchanged[MOST][8];
static Barrier whole, lanes[MOST];
static int current;
static long long progress;
static Error error;

template <size_t> using Integer = long long;
template <size_t... I> static void (*signature(std::index_sequence<I...>))(Integer<I>...);
static const void* kernel;
static const long long* arguments;
static void (*call)();

// Kernels of so many arguments
template <size_t... I> static void call_with(std::index_sequence<I...> given) {
    reinterpret_cast<decltype(signature(given))>(const_cast<void*>(kernel))(arguments[I]...);
}
template <size_t N> static void call_of() { call_with(std::make_index_sequence<N>()); }
constexpr int OF_FUNCTIONS = 22, OF_LOSSES = 48;

// Let the next fiber go on.
inline void rest() {
    if (!_setjmp(fibers[current])) _longjmp(scheduler, 1);
}

inline void wait(Barrier& barrier, int count) {
    int generation = barrier.generation;
    if (++barrier.arrived == count) {
        barrier.arrived = 0;
        ++barrier.generation;
        ++progress;
        return;
    }
    while (barrier.generation == generation) rest();
}

static void fiber() {
    for (;;) {
        call();
        done[current] = true;
        ++progress;
        rest();
    }
}

// Go on with the current fiber until it rests. Those that were given up in the middle of a kernel are made anew.
static void resume() {
    if (_setjmp(scheduler)) return;
    if (started[current]) _longjmp(fibers[current], 1);
    started[current] = true;
    ucontext_t context, unused;
    getcontext(&context);
    context.uc_stack.ss_sp = stacks.get() + size_t(current) * STACK;
    context.uc_stack.ss_size = STACK;
    makecontext(&context, fiber, 0);
    swapcontext(&unused, &context);
}

static void run_block(int threads) {
    memset(&whole, 0, sizeof whole);
    memset(lanes, 0, sizeof lanes);
    memset(done, 0, sizeof done);
    for (int left = threads; left && !error;) {
        long long before = progress;
        for (int t = 0; t < threads; ++t) {
            if (done[t]) continue;
            current = threadIdx.x = t;
            resume();
            left -= done[t];
        }
        if (progress == before) error = STUCK;
    }
    if (error) memset(started, 0, sizeof started);
}

// Run a kernel: 0, or what went wrong. Shared memory is full of garbage at first, and none beyond what was asked for is written to.
static int launch(const void* which, int blocks, int threads, int shared, const long long* given, int count, char* room) {
    kernel = which;
    call = count == OF_FUNCTIONS ? call_of<OF_FUNCTIONS> : count == OF_LOSSES ? call_of<OF_LOSSES> : nullptr;
    if (!call) return OTHER_ARGUMENTS;
    arguments = given;
    gridDim.x = blocks;
    blockDim.x = threads;
    error = NONE;
    memset(room, POISON, ROOM);
    for (int b = 0; b < blocks && !error; ++b) {
        blockIdx.x = b;
        run_block(threads);
        if (!error && ((unsigned char)room[shared] != POISON || memcmp(room + shared, room + shared + 1, ROOM - shared - 1) != 0))
            error = BEYOND_SHARED_MEMORY;
    }
    return error;
}

}  // namespace emulator

inline void __syncthreads() { emulator::wait(emulator::whole, blockDim.x); }

template <class V> V __shfl_xor_sync(unsigned mask, V v, int step) {
    using namespace emulator;
    int lane = current % 32, other = lane ^ step;
    if (!(mask >> lane & 1) || !(mask >> other & 1) || unsigned(current - lane + other) >= blockDim.x) error = BAD_SHUFFLE;
    Barrier& team = lanes[current - lane + __builtin_ctz(mask)];
    memcpy(exchanged[current], &v, sizeof v);
    wait(team, __builtin_popcount(mask));
    memcpy(&v, exchanged[current - lane + other], sizeof v);
    wait(team, __builtin_popcount(mask));
    return v;
}

#define EMULATOR                                                                                                       \
    namespace lsmx {                                                                                                   \
    alignas(16) long long room[emulator::ROOM / 8];                                                                    \
    }                                                                                                                  \
    extern "C" int emulate(const void* kernel, int blocks, int threads, int shared, const long long* given, int count) { \
        return emulator::launch(kernel, blocks, threads, shared, given, count, reinterpret_cast<char*>(lsmx::room));   \
    }
