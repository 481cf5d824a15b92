// The constants of the law, written by tools/native_constants.py from lsmx/_definition: do not edit.
#pragma once
#include "numbers.h"

#ifdef __CUDACC__
#define LSMX_TABLE __device__ const
#else
#define LSMX_TABLE alignas(64) static constexpr
#endif

namespace LSMX_TARGET {

// c near 1/s, and -ln c in two words
LSMX_TABLE float float_table[64][4] = {
    {float(0x1.0000000000000p+0), float(0x0.0p+0), float(0x0.0p+0), float(0x0.0p+0)},
    {float(0x1.f400000000000p-1), float(0x1.84a0000000000p-6), float(-0x1.b5ae6e0000000p-19), float(0x0.0p+0)},
    {float(0x1.ec00000000000p-1), float(0x1.4670000000000p-5), float(-0x1.44af480000000p-19), float(0x0.0p+0)},
    {float(0x1.e600000000000p-1), float(0x1.aaf0000000000p-5), float(-0x1.a5e09e0000000p-22), float(0x0.0p+0)},
    {float(0x1.de00000000000p-1), float(0x1.1970000000000p-4), float(0x1.de8a320000000p-19), float(0x0.0p+0)},
    {float(0x1.d800000000000p-1), float(0x1.4d30000000000p-4), float(0x1.15d2080000000p-20), float(0x0.0p+0)},
    {float(0x1.d000000000000p-1), float(0x1.9338000000000p-4), float(-0x1.0d15360000000p-19), float(0x0.0p+0)},
    {float(0x1.ca00000000000p-1), float(0x1.c888000000000p-4), float(-0x1.3ff21e0000000p-19), float(0x0.0p+0)},
    {float(0x1.c400000000000p-1), float(0x1.fe88000000000p-4), float(0x1.139dbe0000000p-20), float(0x0.0p+0)},
    {float(0x1.be00000000000p-1), float(0x1.1aa4000000000p-3), float(-0x1.481dc00000000p-19), float(0x0.0p+0)},
    {float(0x1.b800000000000p-1), float(0x1.3660000000000p-3), float(-0x1.a7f5380000000p-22), float(0x0.0p+0)},
    {float(0x1.b200000000000p-1), float(0x1.5280000000000p-3), float(-0x1.a1b5e40000000p-19), float(0x0.0p+0)},
    {float(0x1.ac00000000000p-1), float(0x1.6f00000000000p-3), float(0x1.28b7560000000p-19), float(0x0.0p+0)},
    {float(0x1.a600000000000p-1), float(0x1.8bec000000000p-3), float(-0x1.014c700000000p-19), float(0x0.0p+0)},
    {float(0x1.a200000000000p-1), float(0x1.9f6c000000000p-3), float(0x1.01c2260000000p-21), float(0x0.0p+0)},
    {float(0x1.9c00000000000p-1), float(0x1.bd08000000000p-3), float(0x1.ce0ef60000000p-21), float(0x0.0p+0)},
    {float(0x1.9800000000000p-1), float(0x1.d104000000000p-3), float(-0x1.01b3540000000p-20), float(0x0.0p+0)},
    {float(0x1.9200000000000p-1), float(0x1.ef5c000000000p-3), float(-0x1.21b2300000000p-19), float(0x0.0p+0)},
    {float(0x1.8e00000000000p-1), float(0x1.01ea000000000p-2), float(0x1.cac4d80000000p-19), float(0x0.0p+0)},
    {float(0x1.8800000000000p-1), float(0x1.1178000000000p-2), float(0x1.d044fc0000000p-19), float(0x0.0p+0)},
    {float(0x1.8400000000000p-1), float(0x1.1bfa000000000p-2), float(-0x1.a729660000000p-20), float(0x0.0p+0)},
    {float(0x1.8000000000000p-1), float(0x1.2696000000000p-2), float(0x1.089a6e0000000p-21), float(0x0.0p+0)},
    {float(0x1.7a00000000000p-1), float(0x1.36b6000000000p-2), float(0x1.ddaf840000000p-20), float(0x0.0p+0)},
    {float(0x1.7600000000000p-1), float(0x1.419c000000000p-2), float(-0x1.7b85420000000p-19), float(0x0.0p+0)},
    {float(0x1.7200000000000p-1), float(0x1.4c9e000000000p-2), float(0x1.3c2e580000000p-23), float(0x0.0p+0)},
    {float(0x1.6e00000000000p-1), float(0x1.57c0000000000p-2), float(-0x1.1586e60000000p-19), float(0x0.0p+0)},
    {float(0x1.6a00000000000p-1), float(0x1.6300000000000p-2), float(0x1.859d560000000p-21), float(0x0.0p+0)},
    {float(0x1.6600000000000p-1), float(0x1.6e60000000000p-2), float(0x1.dcd5e40000000p-19), float(0x0.0p+0)},
    {float(0x1.6200000000000p-1), float(0x1.79e2000000000p-2), float(0x1.9a1f3e0000000p-20), float(0x0.0p+0)},
    {float(0x1.5e00000000000p-1), float(0x1.8586000000000p-2), float(-0x1.5112460000000p-19), float(0x0.0p+0)},
    {float(0x1.5a00000000000p-1), float(0x1.914a000000000p-2), float(0x1.0c6b7e0000000p-19), float(0x0.0p+0)},
    {float(0x1.5800000000000p-1), float(0x1.973a000000000p-2), float(0x1.a189ac0000000p-21), float(0x0.0p+0)},
    {float(0x1.5400000000000p-1), float(0x1.a334000000000p-2), float(0x1.00893e0000000p-20), float(0x0.0p+0)},
    {float(0x1.5000000000000p-1), float(0x1.af52000000000p-2), float(0x1.2a491a0000000p-19), float(0x0.0p+0)},
    {float(0x1.4c00000000000p-1), float(0x1.bb96000000000p-2), float(0x1.1b80e20000000p-22), float(0x0.0p+0)},
    {float(0x1.4a00000000000p-1), float(0x1.c1c6000000000p-2), float(0x1.a4fe8e0000000p-24), float(0x0.0p+0)},
    {float(0x1.4600000000000p-1), float(0x1.ce42000000000p-2), float(0x1.e300c80000000p-19), float(0x0.0p+0)},
    {float(0x1.4200000000000p-1), float(0x1.dae8000000000p-2), float(-0x1.56f66e0000000p-19), float(0x0.0p+0)},
    {float(0x1.4000000000000p-1), float(0x1.e148000000000p-2), float(0x1.4344e40000000p-19), float(0x0.0p+0)},
    {float(0x1.3c00000000000p-1), float(0x1.ee2a000000000p-2), float(0x1.56b4140000000p-22), float(0x0.0p+0)},
    {float(0x1.3a00000000000p-1), float(0x1.f4aa000000000p-2), float(0x1.fb80c60000000p-20), float(0x0.0p+0)},
    {float(0x1.3600000000000p-1), float(0x1.00e6000000000p-1), float(-0x1.46937e0000000p-19), float(0x0.0p+0)},
    {float(0x1.3400000000000p-1), float(0x1.0436000000000p-1), float(0x1.7cec080000000p-22), float(0x0.0p+0)},
    {float(0x1.3000000000000p-1), float(0x1.0ae7000000000p-1), float(0x1.b8b4160000000p-19), float(0x0.0p+0)},
    {float(0x1.2e00000000000p-1), float(0x1.0e49000000000p-1), float(-0x1.9e7b8c0000000p-19), float(0x0.0p+0)},
    {float(0x1.2c00000000000p-1), float(0x1.11b0000000000p-1), float(-0x1.f70e2a0000000p-19), float(0x0.0p+0)},
    {float(0x1.2800000000000p-1), float(0x1.188f000000000p-1), float(-0x1.bf0dc40000000p-21), float(0x0.0p+0)},
    {float(0x1.2600000000000p-1), float(0x1.1c08000000000p-1), float(-0x1.ed94680000000p-19), float(0x0.0p+0)},
    {float(0x1.2400000000000p-1), float(0x1.1f86000000000p-1), float(0x1.afe30c0000000p-20), float(0x0.0p+0)},
    {float(0x1.2000000000000p-1), float(0x1.2696000000000p-1), float(0x1.089a6e0000000p-20), float(0x0.0p+0)},
    {float(0x1.1e00000000000p-1), float(0x1.2a28000000000p-1), float(-0x1.e4bc500000000p-19), float(0x0.0p+0)},
    {float(0x1.1c00000000000p-1), float(0x1.2dbf000000000p-1), float(0x1.55ec380000000p-19), float(0x0.0p+0)},
    {float(0x1.1a00000000000p-1), float(0x1.315e000000000p-1), float(-0x1.6ef2fe0000000p-19), float(0x0.0p+0)},
    {float(0x1.1600000000000p-1), float(0x1.38ae000000000p-1), float(0x1.0b8cbc0000000p-20), float(0x0.0p+0)},
    {float(0x1.1400000000000p-1), float(0x1.3c61000000000p-1), float(-0x1.fcf2500000000p-19), float(0x0.0p+0)},
    {float(0x1.1200000000000p-1), float(0x1.401a000000000p-1), float(-0x1.ef6d1a0000000p-20), float(0x0.0p+0)},
    {float(0x1.1000000000000p-1), float(0x1.43da000000000p-1), float(-0x1.a0db880000000p-26), float(0x0.0p+0)},
    {float(0x1.0e00000000000p-1), float(0x1.47a1000000000p-1), float(0x1.49fa280000000p-19), float(0x0.0p+0)},
    {float(0x1.0c00000000000p-1), float(0x1.4b70000000000p-1), float(-0x1.48347a0000000p-20), float(0x0.0p+0)},
    {float(0x1.0a00000000000p-1), float(0x1.4f46000000000p-1), float(-0x1.5f296c0000000p-19), float(0x0.0p+0)},
    {float(0x1.0800000000000p-1), float(0x1.5323000000000p-1), float(-0x1.d979880000000p-21), float(0x0.0p+0)},
    {float(0x1.0600000000000p-1), float(0x1.5708000000000p-1), float(-0x1.76511c0000000p-19), float(0x0.0p+0)},
    {float(0x1.0400000000000p-1), float(0x1.5af4000000000p-1), float(0x1.70d9280000000p-23), float(0x0.0p+0)},
    {float(0x1.0200000000000p-1), float(0x1.5ee8000000000p-1), float(0x1.55120c0000000p-20), float(0x0.0p+0)},
};

template <> struct Format<float> {
    using F = float;
    static constexpr int fraction = 23;
    static constexpr int bias = 127;
    static constexpr int table_bits = 6;
    static constexpr int split = 23;
    static constexpr int piece = 20;
    static constexpr F log2e = F(0x1.7154760000000p+0);
    static constexpr F ln2_hi = F(0x1.62e4000000000p-1);
    static constexpr F ln2_lo = F(0x1.7f7d1c0000000p-20);
    static constexpr F underflow = F(-0x1.5c00000000000p+6);  // exp of this is still normal
    static constexpr F one = F(0x1.8000000000000p+23);  // x + this has a last bit of 1
    static constexpr F grid_first = F(0x1.8000000000000p+2);  // of 2^split times the grid of 2^0
    static constexpr F grid_second = F(0x1.8000000000000p-21);  // of the grid of 2^0
    static constexpr F half_word = F(0x1.8000000000000p+12);  // of half the word
    static constexpr F unit_top = F(0x1.0000000000000p+16);  // pieces of an integer in units of the grid of 2^0
    static constexpr F unit_high = F(0x1.0000000000000p-4);
    static constexpr F unit_middle = F(0x1.0000000000000p-24);
    static constexpr F unit_low = F(0x1.0000000000000p-44);
    static constexpr F least = F(0x1.0000000000000p-125);  // what is smaller counts as zero
    static constexpr F least_exact = F(0x1.0000000000000p-101);  // what a sum of larger ones rounds off is normal
    static constexpr F least_pair = F(0x1.0000000000000p-76);  // a double word below it has no second word
    static constexpr F splitter = F(0x1.0010000000000p+12);  // of Veltkamp's halves
    static constexpr F largest_divisor = F(0x1.0000000000000p+127);  // a temperature is below it
    static constexpr F largest_exponent = F(0x1.f800000000000p+6);  // that has a normal 2^-e
    static constexpr F far = F(-0x1.6666666666666p-2);  // below it, round(x log2 e) is not 0
    static constexpr F mild = F(-0x1.4000000000000p+5);  // above it, what is done with a probability cannot underflow
    static constexpr F deep = F(-0x1.9000000000000p+5);  // a second logit so far below the first has a grid that is scaled
    static constexpr F plain = F(0x1.0000000000000p-56);  // cotangents of at least this size
    static constexpr F plain_most = F(0x1.0000000000000p+123);  // and below this one, whose grid is finite
    static constexpr F plain_sum = F(0x1.0000000000000p-35);  // sums of at least this size, times probabilities that are mild, stay normal
    static constexpr F mild_sum = F(0x1.0000000000000p+126);  // and below this size, finite
    template <class N> LAW static N exp_polynomial(N x) { return horner(x, F(0x1.6d117c0000000p-10), F(0x1.120be20000000p-7), F(0x1.5555180000000p-5), F(0x1.5554dc0000000p-3), F(0x1.0000000000000p-1)); }
    template <class N> LAW static N log_polynomial(N x) { return horner(x, F(0x1.99abe40000000p-3), F(-0x1.000aac0000000p-2), F(0x1.5555560000000p-2), F(-0x1.0000000000000p-1)); }
    template <class N> LAW static N inv_polynomial(N x) { return horner(x, F(0x1.0014020000000p+0), F(-0x1.0014020000000p+0), F(0x1.0000000000000p+0), F(-0x1.0000000000000p+0)); }
    template <class N> LAW static N phi_polynomial(N x) { return horner(x, F(0x1.77ccbc0000000p-19), F(0x1.a845000000000p-16), F(0x1.a00e1e0000000p-13), F(0x1.6c06600000000p-10), F(0x1.1111180000000p-7), F(0x1.5555660000000p-5), F(0x1.5555560000000p-3)); }
    template <class N> LAW static N psi_polynomial(N x) { return horner(x, F(0x1.99b0da0000000p-12), F(-0x1.3004380000000p-9), F(0x1.ecd3fa0000000p-8), F(-0x1.3f42d80000000p-6), F(0x1.82965e0000000p-5), F(-0x1.c71a6e0000000p-4), F(0x1.fffffe0000000p-3)); }
    LAW static const F* table(int i) { return float_table[i]; }
};

// c near 1/s, and -ln c in two words
LSMX_TABLE double double_table[64][4] = {
    {double(0x1.0000000000000p+0), double(0x0.0p+0), double(0x0.0p+0), double(0x0.0p+0)},
    {double(0x1.f400000000000p-1), double(0x1.8492528c80000p-6), double(0x1.957d173697cf3p-43), double(0x0.0p+0)},
    {double(0x1.ec00000000000p-1), double(0x1.466aed42e0000p-5), double(-0x1.c167375bdfd28p-45), double(0x0.0p+0)},
    {double(0x1.e600000000000p-1), double(0x1.aaef2d0fc0000p-5), double(-0x1.de07cb958897ap-42), double(0x0.0p+0)},
    {double(0x1.de00000000000p-1), double(0x1.1973bd1460000p-4), double(0x1.559b4553e4c2dp-42), double(0x0.0p+0)},
    {double(0x1.d800000000000p-1), double(0x1.4d3115d200000p-4), double(0x1.fab1769f42c78p-42), double(0x0.0p+0)},
    {double(0x1.d000000000000p-1), double(0x1.9335e5d590000p-4), double(0x1.2622b8757a8fbp-42), double(0x0.0p+0)},
    {double(0x1.ca00000000000p-1), double(0x1.c885801bc0000p-4), double(0x1.2c8da38cb559ap-42), double(0x0.0p+0)},
    {double(0x1.c400000000000p-1), double(0x1.fe89139dc0000p-4), double(-0x1.54d3593e842bfp-43), double(0x0.0p+0)},
    {double(0x1.be00000000000p-1), double(0x1.1aa2b7e240000p-3), double(-0x1.1ac38dde3b366p-44), double(0x0.0p+0)},
    {double(0x1.b800000000000p-1), double(0x1.365fcb0158000p-3), double(0x1.0162fa8234b73p-43), double(0x0.0p+0)},
    {double(0x1.b200000000000p-1), double(0x1.527e5e4a18000p-3), double(0x1.ac67d1cad2fb9p-42), double(0x0.0p+0)},
    {double(0x1.ac00000000000p-1), double(0x1.6f0128b758000p-3), double(-0x1.5446379670878p-43), double(0x0.0p+0)},
    {double(0x1.a600000000000p-1), double(0x1.8beafeb390000p-3), double(-0x1.73d54aae92cd1p-47), double(0x0.0p+0)},
    {double(0x1.a200000000000p-1), double(0x1.9f6c407088000p-3), double(0x1.664135a19605ep-43), double(0x0.0p+0)},
    {double(0x1.9c00000000000p-1), double(0x1.bd087383c0000p-3), double(-0x1.3a9788b2a8257p-42), double(0x0.0p+0)},
    {double(0x1.9800000000000p-1), double(0x1.d1037f2658000p-3), double(-0x1.0c253f3adb7b7p-42), double(0x0.0p+0)},
    {double(0x1.9200000000000p-1), double(0x1.ef5ade4dd0000p-3), double(-0x1.a211565bb8e11p-51), double(0x0.0p+0)},
    {double(0x1.8e00000000000p-1), double(0x1.01eae5626c000p-2), double(0x1.a43dcfade85aep-44), double(0x0.0p+0)},
    {double(0x1.8800000000000p-1), double(0x1.1178e82280000p-2), double(-0x1.b8421cc74be04p-42), double(0x0.0p+0)},
    {double(0x1.8400000000000p-1), double(0x1.1bf99635a8000p-2), double(-0x1.46b2255d70849p-42), double(0x0.0p+0)},
    {double(0x1.8000000000000p-1), double(0x1.269621134c000p-2), double(0x1.b92783beb7677p-42), double(0x0.0p+0)},
    {double(0x1.7a00000000000p-1), double(0x1.36b6776be0000p-2), double(0x1.116ecdb0f177cp-42), double(0x0.0p+0)},
    {double(0x1.7600000000000p-1), double(0x1.419b423d60000p-2), double(-0x1.738de489b78fbp-42), double(0x0.0p+0)},
    {double(0x1.7200000000000p-1), double(0x1.4c9e09e174000p-2), double(-0x1.3c41123615b14p-42), double(0x0.0p+0)},
    {double(0x1.6e00000000000p-1), double(0x1.57bf753c8c000p-2), double(0x1.1fadedee5d40fp-42), double(0x0.0p+0)},
    {double(0x1.6a00000000000p-1), double(0x1.630030b3ac000p-2), double(-0x1.3b6c47ce635c0p-42), double(0x0.0p+0)},
    {double(0x1.6600000000000p-1), double(0x1.6e60ee6af0000p-2), double(0x1.9721657c222d8p-42), double(0x0.0p+0)},
    {double(0x1.6200000000000p-1), double(0x1.79e26687d0000p-2), double(-0x1.309c168817444p-44), double(0x0.0p+0)},
    {double(0x1.5e00000000000p-1), double(0x1.85855776dc000p-2), double(0x1.7f55bccccdde2p-43), double(0x0.0p+0)},
    {double(0x1.5a00000000000p-1), double(0x1.914a8635c0000p-2), double(-0x1.2ecd6a5dcc610p-43), double(0x0.0p+0)},
    {double(0x1.5800000000000p-1), double(0x1.973a343134000p-2), double(0x1.6adcec5afd261p-42), double(0x0.0p+0)},
    {double(0x1.5400000000000p-1), double(0x1.a334402250000p-2), double(-0x1.61cdd40314305p-44), double(0x0.0p+0)},
    {double(0x1.5000000000000p-1), double(0x1.af5295248c000p-2), double(0x1.ba0ceab622eeap-43), double(0x0.0p+0)},
    {double(0x1.4c00000000000p-1), double(0x1.bb9611b810000p-2), double(-0x1.d04f4817eb332p-42), double(0x0.0p+0)},
    {double(0x1.4a00000000000p-1), double(0x1.c1c60693fc000p-2), double(-0x1.c626ff002e3d0p-42), double(0x0.0p+0)},
    {double(0x1.4600000000000p-1), double(0x1.ce42f18064000p-2), double(0x1.d0d0798270b2ap-44), double(0x0.0p+0)},
    {double(0x1.4200000000000p-1), double(0x1.dae75484c8000p-2), double(0x1.615bd29f239e9p-42), double(0x0.0p+0)},
    {double(0x1.4000000000000p-1), double(0x1.e148a1a274000p-2), double(-0x1.9326b20732293p-42), double(0x0.0p+0)},
    {double(0x1.3c00000000000p-1), double(0x1.ee2a156b40000p-2), double(0x1.3e4fe8b48e04ap-42), double(0x0.0p+0)},
    {double(0x1.3a00000000000p-1), double(0x1.f4aa7ee030000p-2), double(0x1.92cde56f014a9p-42), double(0x0.0p+0)},
    {double(0x1.3600000000000p-1), double(0x1.00e5ae5b20000p-1), double(0x1.eac45c4e8d84ep-43), double(0x0.0p+0)},
    {double(0x1.3400000000000p-1), double(0x1.04360be760000p-1), double(0x1.d6774030d58c4p-44), double(0x0.0p+0)},
    {double(0x1.3000000000000p-1), double(0x1.0ae76e2d06000p-1), double(-0x1.60b794778181ep-42), double(0x0.0p+0)},
    {double(0x1.2e00000000000p-1), double(0x1.0e4898611c000p-1), double(0x1.9c29980780174p-42), double(0x0.0p+0)},
    {double(0x1.2c00000000000p-1), double(0x1.11af823c76000p-1), double(-0x1.56191eee7772cp-43), double(0x0.0p+0)},
    {double(0x1.2800000000000p-1), double(0x1.188ee40f24000p-1), double(-0x1.accec41d52e6cp-44), double(0x0.0p+0)},
    {double(0x1.2600000000000p-1), double(0x1.1c07849ae6000p-1), double(0x1.cacdeed70e667p-51), double(0x0.0p+0)},
    {double(0x1.2400000000000p-1), double(0x1.1f8635fc62000p-1), double(-0x1.34e48593fd03ap-42), double(0x0.0p+0)},
    {double(0x1.2000000000000p-1), double(0x1.269621134e000p-1), double(-0x1.1b61f10522625p-43), double(0x0.0p+0)},
    {double(0x1.1e00000000000p-1), double(0x1.2a2786d0ec000p-1), double(0x1.06d2be797882dp-45), double(0x0.0p+0)},
    {double(0x1.1c00000000000p-1), double(0x1.2dbf557b0e000p-1), double(-0x1.7a6e507b9dc11p-46), double(0x0.0p+0)},
    {double(0x1.1a00000000000p-1), double(0x1.315da44340000p-1), double(0x1.a2c5b0e97c499p-43), double(0x0.0p+0)},
    {double(0x1.1600000000000p-1), double(0x1.38ae217198000p-1), double(-0x1.2316f576aad35p-42), double(0x0.0p+0)},
    {double(0x1.1400000000000p-1), double(0x1.3c6080c36c000p-1), double(-0x1.2b7367cfe13c2p-47), double(0x0.0p+0)},
    {double(0x1.1200000000000p-1), double(0x1.4019c2125c000p-1), double(0x1.52630d9e1e717p-42), double(0x0.0p+0)},
    {double(0x1.1000000000000p-1), double(0x1.43d9ff2f92000p-1), double(0x1.e267b0b7efae1p-44), double(0x0.0p+0)},
    {double(0x1.0e00000000000p-1), double(0x1.47a1527e8a000p-1), double(0x1.69a4a83594fabp-44), double(0x0.0p+0)},
    {double(0x1.0c00000000000p-1), double(0x1.4b6fd6f970000p-1), double(0x1.83ee22bda98a8p-42), double(0x0.0p+0)},
    {double(0x1.0a00000000000p-1), double(0x1.4f45a835a4000p-1), double(0x1.c3275d24d88e1p-42), double(0x0.0p+0)},
    {double(0x1.0800000000000p-1), double(0x1.5322e26868000p-1), double(-0x1.ea333ba2da8adp-43), double(0x0.0p+0)},
    {double(0x1.0600000000000p-1), double(0x1.5707a26bb8000p-1), double(0x1.8ccc05ff9981fp-42), double(0x0.0p+0)},
    {double(0x1.0400000000000p-1), double(0x1.5af405c364000p-1), double(0x1.3bf4c7582193fp-42), double(0x0.0p+0)},
    {double(0x1.0200000000000p-1), double(0x1.5ee82aa242000p-1), double(-0x1.b7f71fcc96e51p-43), double(0x0.0p+0)},
};

template <> struct Format<double> {
    using F = double;
    static constexpr int fraction = 52;
    static constexpr int bias = 1023;
    static constexpr int table_bits = 6;
    static constexpr int split = 41;
    static constexpr int piece = 49;
    static constexpr F log2e = F(0x1.71547652b82fep+0);
    static constexpr F ln2_hi = F(0x1.62e42fefa4000p-1);
    static constexpr F ln2_lo = F(-0x1.8432a1b0e2634p-43);
    static constexpr F underflow = F(-0x1.6200000000000p+9);  // exp of this is still normal
    static constexpr F one = F(0x1.8000000000000p+52);  // x + this has a last bit of 1
    static constexpr F grid_first = F(0x1.8000000000000p+13);  // of 2^split times the grid of 2^0
    static constexpr F grid_second = F(0x1.8000000000000p-28);  // of the grid of 2^0
    static constexpr F half_word = F(0x1.8000000000000p+26);  // of half the word
    static constexpr F unit_top = F(0x1.0000000000000p+67);  // pieces of an integer in units of the grid of 2^0
    static constexpr F unit_high = F(0x1.0000000000000p+18);
    static constexpr F unit_middle = F(0x1.0000000000000p-31);
    static constexpr F unit_low = F(0x1.0000000000000p-80);
    static constexpr F least = F(0x1.0000000000000p-1021);  // what is smaller counts as zero
    static constexpr F least_exact = F(0x1.0000000000000p-968);  // what a sum of larger ones rounds off is normal
    static constexpr F least_pair = F(0x1.0000000000000p-914);  // a double word below it has no second word
    static constexpr F splitter = F(0x1.0000002000000p+27);  // of Veltkamp's halves
    static constexpr F largest_divisor = F(0x1.0000000000000p+1023);  // a temperature is below it
    static constexpr F largest_exponent = F(0x1.ff00000000000p+9);  // that has a normal 2^-e
    static constexpr F far = F(-0x1.6666666666666p-2);  // below it, round(x log2 e) is not 0
    static constexpr F mild = F(-0x1.5e00000000000p+8);  // above it, what is done with a probability cannot underflow
    static constexpr F deep = F(-0x1.2c00000000000p+9);  // a second logit so far below the first has a grid that is scaled
    static constexpr F plain = F(0x1.0000000000000p-455);  // cotangents of at least this size
    static constexpr F plain_most = F(0x1.0000000000000p+1008);  // and below this one, whose grid is finite
    static constexpr F plain_sum = F(0x1.0000000000000p-284);  // sums of at least this size, times probabilities that are mild, stay normal
    static constexpr F mild_sum = F(0x1.0000000000000p+1022);  // and below this size, finite
    template <class N> LAW static N exp_polynomial(N x) { return horner(x, F(0x1.1f7340dbc337ep-29), F(0x1.af4e554377204p-26), F(0x1.27e4db46cddd1p-22), F(0x1.71de01fdbf9cap-19), F(0x1.a01a01a6e1e2ap-16), F(0x1.a01a01abf85abp-13), F(0x1.6c16c16c162c3p-10), F(0x1.11111111100bep-7), F(0x1.5555555555556p-5), F(0x1.5555555555557p-3), F(0x1.0000000000000p-1)); }
    template <class N> LAW static N log_polynomial(N x) { return horner(x, F(0x1.c74b00ccb2ce3p-4), F(-0x1.00199b6f0ca79p-3), F(0x1.2492483bc1f1ap-3), F(-0x1.555554553d53ap-3), F(0x1.999999999c82ap-3), F(-0x1.000000000199cp-2), F(0x1.5555555555555p-2), F(-0x1.0000000000000p-1)); }
    template <class N> LAW static N inv_polynomial(N x) { return horner(x, F(-0x1.002804105786ap+0), F(0x1.002804105786ap+0), F(-0x1.fffffb9f69f1fp-1), F(0x1.fffffb9f69f1fp-1), F(-0x1.000000000c81ep+0), F(0x1.000000000c81ep+0), F(-0x1.ffffffffffffdp-1), F(0x1.ffffffffffffdp-1), F(-0x1.0000000000000p+0)); }
    template <class N> LAW static N phi_polynomial(N x) { return horner(x, F(0x1.b372dbe9fbac4p-45), F(0x1.b41232cf9950fp-41), F(0x1.93907865bd1d7p-37), F(0x1.611cb330c1fe8p-33), F(0x1.1eed93a725e03p-29), F(0x1.ae6460fae3728p-26), F(0x1.27e4fb7447711p-22), F(0x1.71de3a4e14f40p-19), F(0x1.a01a01a01c2e2p-16), F(0x1.a01a01a01ee70p-13), F(0x1.6c16c16c16c0ep-10), F(0x1.11111111110fdp-7), F(0x1.5555555555555p-5), F(0x1.5555555555555p-3)); }
    template <class N> LAW static N psi_polynomial(N x) { return horner(x, F(0x1.32c18cbcdad5fp-24), F(-0x1.7deb48b28e2efp-21), F(0x1.dd850998b0a4dp-19), F(-0x1.9f4db2501e60fp-17), F(0x1.27a3e60f6544fp-15), F(-0x1.7de7530b0b135p-14), F(0x1.db0bcf615a12cp-13), F(-0x1.240bf3c8a641cp-11), F(0x1.65c5d78e118f9p-10), F(-0x1.b53221b100e6fp-9), F(0x1.0a3a59c482c3bp-7), F(-0x1.427a8e005d3f3p-6), F(0x1.82d82d8297edbp-5), F(-0x1.c71c71c71c042p-4), F(0x1.ffffffffffffep-3)); }
    LAW static const F* table(int i) { return double_table[i]; }
};

}  // namespace LSMX_TARGET
