// Numbers in every kernel: formats, 128-bit loads and stores, explicit rounding, activations.
//
// Compiled without contraction (--fmad=false): a fused multiply-add is where fused() is written.
#pragma once

typedef unsigned int u32;
typedef unsigned long long u64;

// Brain floating point: the upper half of a binary32.
struct bf16 {
    unsigned short bits;
};

__device__ inline float fused(float a, float b, float c) { return __fmaf_rn(a, b, c); }
__device__ inline double fused(double a, double b, double c) { return __fma_rn(a, b, c); }

__device__ inline float widen(bf16 x) { return __uint_as_float((u32)x.bits << 16); }

// Rounds a finite x to the nearest, ties to even.
__device__ inline bf16 to_bf16(float x) {
    u32 bits = __float_as_uint(x);
    return bf16{(unsigned short)((bits + 0x7FFF + (bits >> 16 & 1)) >> 16)};
}

// How many numbers there are in 16 bytes.
template <class Stored> constexpr int LANES = 16 / sizeof(Stored);

// Loads N numbers from an address that is aligned to 16 bytes, two from one that is aligned to 8.
template <int N> __device__ inline void load(const float* from, float (&to)[N]) {
    static_assert(N % 4 == 0 || N == 2, "whole 16 bytes, or 8");
    if constexpr (N == 2) {
        float2 two = *reinterpret_cast<const float2*>(from);
        to[0] = two.x, to[1] = two.y;
        return;
    }
#pragma unroll
    for (int i = 0; i < N; i += 4) {
        float4 four = *reinterpret_cast<const float4*>(from + i);
        to[i] = four.x, to[i + 1] = four.y, to[i + 2] = four.z, to[i + 3] = four.w;
    }
}

template <int N> __device__ inline void load(const double* from, double (&to)[N]) {
    static_assert(N % 2 == 0, "whole 16 bytes");
#pragma unroll
    for (int i = 0; i < N; i += 2) {
        double2 two = *reinterpret_cast<const double2*>(from + i);
        to[i] = two.x, to[i + 1] = two.y;
    }
}

// Loads N numbers stored in bf16, 4, 8 or 16 bytes at a time, from an address aligned to them.
template <int N, class Real> __device__ inline void load(const bf16* from, Real (&to)[N]) {
    static_assert(N == 2 || N == 4 || N == 8, "one load");
    u32 pairs[N / 2];
    if constexpr (N == 8) {
        uint4 four = *reinterpret_cast<const uint4*>(from);
        pairs[0] = four.x, pairs[1] = four.y, pairs[2] = four.z, pairs[3] = four.w;
    } else if constexpr (N == 4) {
        uint2 two = *reinterpret_cast<const uint2*>(from);
        pairs[0] = two.x, pairs[1] = two.y;
    } else {
        pairs[0] = *reinterpret_cast<const u32*>(from);
    }
#pragma unroll
    for (int i = 0; i < N; i += 2) {
        to[i] = __uint_as_float(pairs[i / 2] << 16);
        to[i + 1] = __uint_as_float(pairs[i / 2] & 0xFFFF0000u);
    }
}

template <int N> __device__ inline void store(float* to, const float (&from)[N]) {
#pragma unroll
    for (int i = 0; i < N; i += 4)
        *reinterpret_cast<float4*>(to + i) =
            make_float4(from[i], from[i + 1], from[i + 2], from[i + 3]);
}

template <int N> __device__ inline void store(double* to, const double (&from)[N]) {
#pragma unroll
    for (int i = 0; i < N; i += 2)
        *reinterpret_cast<double2*>(to + i) = make_double2(from[i], from[i + 1]);
}

// The activations, in the order of nfd::model::Activation::ALL.
enum Activation { IDENTITY, TANH, RELU, ERF, GELU, SOFTPLUS };

__device__ inline float exp_of(float x) { return expf(x); }
__device__ inline double exp_of(double x) { return exp(x); }
__device__ inline float cdf(float u) { return 0.5f * erfcf(u * -0.707106781186547524f); }
__device__ inline double cdf(double u) { return 0.5 * erfc(u * -0.70710678118654752440); }
__device__ inline float tanh_of(float u) { return tanhf(u); }
__device__ inline double tanh_of(double u) { return tanh(u); }
__device__ inline float erf_of(float u) { return erff(u); }
__device__ inline double erf_of(double u) { return erf(u); }
__device__ inline float log1p_of(float u) { return log1pf(u); }
__device__ inline double log1p_of(double u) { return log1p(u); }

// The activation phi(u).
template <class Real> __device__ inline Real value(u32 activation, Real u) {
    switch (activation) {
    case TANH:
        return tanh_of(u);
    case RELU:
        // A NaN stays a NaN.
        return u < Real(0) ? Real(0) : u;
    case ERF:
        return erf_of(u);
    case GELU:
        return u * cdf(u);
    case SOFTPLUS: {
        Real above = u < Real(0) ? Real(0) : u;
        return above + log1p_of(exp_of(u < Real(0) ? u : -u));
    }
    default:
        return u;
    }
}

// The slope phi'(u) of the activation.
template <class Real> __device__ inline Real slope(u32 activation, Real u) {
    switch (activation) {
    case TANH: {
        Real t = tanh_of(u);
        return fused(-t, t, Real(1));
    }
    case RELU:
        return u > Real(0) ? Real(1) : u != u ? u : Real(0);
    case ERF:
        return Real(1.12837916709551257390) * exp_of(-u * u);
    case GELU:
        return fused(u * exp_of(Real(-0.5) * u * u), Real(0.39894228040143267794), cdf(u));
    case SOFTPLUS: {
        Real e = exp_of(u < Real(0) ? u : -u);
        return (u < Real(0) ? e : Real(1)) / (Real(1) + e);
    }
    default:
        return Real(1);
    }
}

// Whether x is neither infinite nor NaN.
template <class Real> __device__ inline bool finite(Real x) { return x - x == Real(0); }
