// Standard normals from Philox4x32-10 words, the same bits as in src/rng/normal.rs: only operations that
// IEEE 754 rounds correctly (conversion, add, multiply, fused multiply-add, square root) and integers, each
// written out.
#pragma once
#include "shared/real.cuh"

// Ten rounds (Salmon, Moraes, Dror and Shaw, Parallel random numbers: as easy as 1, 2, 3, SC 2011).
__device__ inline uint4 philox(u64 seed, uint4 counter) {
    u32 key0 = (u32)seed, key1 = (u32)(seed >> 32);
#pragma unroll
    for (int round = 0; round < 10; round++) {
        u64 product0 = (u64)counter.x * 0xD2511F53u, product1 = (u64)counter.z * 0xCD9E8D57u;
        counter = make_uint4((u32)(product1 >> 32) ^ counter.y ^ key0, (u32)product1,
                             (u32)(product0 >> 32) ^ counter.w ^ key1, (u32)product0);
        key0 += 0x9E3779B9u, key1 += 0xBB67AE85u;
    }
    return counter;
}

// Two normals (-2 ln u)^(1/2) (cos, sin) of one word for u and one word for the angle.
__device__ inline float2 box_muller(u32 radius_word, u32 angle_word) {
    const float two_pow_m32 = 0x1p-32f, two_pow_m33 = 0x1p-33f;
    // u = m 2^e with m in [sqrt(1/2), sqrt(2)); -2 ln u = -2 ln 2 e + t LOG(t), t = m - 1 exactly.
    float u = __fmaf_rn(__uint2float_rn(radius_word), two_pow_m32, two_pow_m33);
    int exponent = (int)(__float_as_uint(u) - 0x3F3504F3u) >> 23;
    float t = __fadd_rn(__uint_as_float(__float_as_uint(u) - ((u32)exponent << 23)), -1.0f);
    float log = 0x1.3829160000000p-3f;
    log = __fmaf_rn(log, t, -0x1.08498c0000000p-2f);
    log = __fmaf_rn(log, t, 0x1.0f39e20000000p-2f);
    log = __fmaf_rn(log, t, -0x1.2271aa0000000p-2f);
    log = __fmaf_rn(log, t, 0x1.5427100000000p-2f);
    log = __fmaf_rn(log, t, -0x1.99a3ec0000000p-2f);
    log = __fmaf_rn(log, t, 0x1.0004280000000p-1f);
    log = __fmaf_rn(log, t, -0x1.5555500000000p-1f);
    log = __fmaf_rn(log, t, 0x1.fffff80000000p-1f);
    log = __fmaf_rn(log, t, -0x1.0000000000000p+1f);
    float radius = __fsqrt_rn(__fmaf_rn(__int2float_rn(exponent), -0x1.62e4300000000p+0f, __fmul_rn(t, log)));
    // The top two bits pick the quarter turn, the others a place in it, y in [-1/2, 1/2].
    float y = __fmaf_rn(__int2float_rn((int)(angle_word << 2)), two_pow_m32, two_pow_m33);
    float square = __fmul_rn(y, y);
    float sine = -0x1.2d93020000000p-8f;
    sine = __fmaf_rn(sine, square, 0x1.465e920000000p-4f);
    sine = __fmaf_rn(sine, square, -0x1.4abbba0000000p-1f);
    sine = __fmaf_rn(sine, square, 0x1.921fb60000000p+0f);
    sine = __fmul_rn(y, sine);
    float cosine = 0x1.d9c3640000000p-11f;
    cosine = __fmaf_rn(cosine, square, -0x1.55c57c0000000p-6f);
    cosine = __fmaf_rn(cosine, square, 0x1.03c1dc0000000p-2f);
    cosine = __fmaf_rn(cosine, square, -0x1.3bd3cc0000000p+0f);
    cosine = __fmaf_rn(cosine, square, 0x1.0000000000000p+0f);
    // cos(q + y) = c, -s, -c, s and sin(q + y) = s, c, -s, -c for q = 0..3 quarter turns; the upper bit
    // of q is the sign of both.
    u32 quarter = angle_word >> 30;
    radius = __uint_as_float(__float_as_uint(radius) ^ (quarter >> 1 << 31));
    return quarter & 1 ? make_float2(__fmul_rn(radius, -sine), __fmul_rn(radius, cosine))
                       : make_float2(__fmul_rn(radius, cosine), __fmul_rn(radius, sine));
}

// Normals of rows 4 quad .. 4 quad + 3 of one column at a noise address (src/rng/noise.rs).
__device__ inline float4 normals(u64 seed, u32 quad, u32 column, u32 layer, u32 tag) {
    uint4 words = philox(seed, make_uint4(quad, column, layer, tag));
    float2 low = box_muller(words.x, words.y), high = box_muller(words.z, words.w);
    return make_float4(low.x, low.y, high.x, high.y);
}
