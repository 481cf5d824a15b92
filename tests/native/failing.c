// Loaded before the C library: threads and aligned memory that cannot be had, and what the processor's control register says.
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>

int threads_left = -1, memory_left = -1;  // how many succeed from here on; any number if negative
int threads_made = 0, threads_with_signals = 0;

static int one_of(int* left) { return *left < 0 || (*left > 0 && (*left)--); }

int pthread_create(pthread_t* thread, const pthread_attr_t* attributes, void* (*start)(void*), void* given) {
    static int (*real)(pthread_t*, const pthread_attr_t*, void* (*)(void*), void*);
    if (!real) real = (int (*)(pthread_t*, const pthread_attr_t*, void* (*)(void*), void*))dlsym(RTLD_NEXT, "pthread_create");
    if (!one_of(&threads_left)) return EAGAIN;
    sigset_t blocked;
    pthread_sigmask(SIG_BLOCK, NULL, &blocked);
    ++threads_made;
    threads_with_signals += !sigismember(&blocked, SIGALRM) || !sigismember(&blocked, SIGINT);
    return real(thread, attributes, start, given);
}

int posix_memalign(void** made, size_t alignment, size_t size) {
    static int (*real)(void**, size_t, size_t);
    if (!real) real = (int (*)(void**, size_t, size_t))dlsym(RTLD_NEXT, "posix_memalign");
    return one_of(&memory_left) ? real(made, alignment, size) : ENOMEM;
}

unsigned long control(void) {
#if defined(__x86_64__)
    return __builtin_ia32_stmxcsr();
#else
    unsigned long x;
    __asm__ volatile("mrs %0, fpcr" : "=r"(x));
    return x;
#endif
}

void set_control(unsigned long x) {
#if defined(__x86_64__)
    __builtin_ia32_ldmxcsr((unsigned)x);
#else
    __asm__ volatile("msr fpcr, %0" : : "r"(x));
#endif
}
