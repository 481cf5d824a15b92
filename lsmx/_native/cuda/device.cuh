// What only a device understands. Conversions of float16 are instructions that no compiler option touches: no header of CUDA's is needed.

#if defined(__CUDA_ARCH__) && __CUDA_ARCH__ < 750
#error "lsmx: the CUDA kernels are for devices of compute capability 7.5 and later"
#endif

__device__ __forceinline__ float half_to_float(unsigned short x) {
    float y;
    asm("cvt.f32.f16 %0, %1;" : "=f"(y) : "h"(x));
    return y;
}

__device__ __forceinline__ unsigned short float_to_half(float x) {
    unsigned short y;
    asm("cvt.rn.f16.f32 %0, %1;" : "=h"(y) : "f"(x));
    return y;
}
