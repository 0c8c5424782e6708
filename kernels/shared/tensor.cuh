// Products of small matrices on tensor cores, in 3xTF32: a number is hi + lo, both in tf32 (11 bits), and of the
// product of two numbers lo hi + hi lo + hi hi are added up, the small ones first. hi is the nearest number of tf32, lo
// what is left without a twelfth bit, at most 2^-23 of the number; lo lo, which is left out, is at most 2^-22 of the
// product. So a product is right to 2^-21.
//
// Tensor cores cut off what they add up (towards zero), which over many additions becomes a bias. So every
// product begins at zero, and is added to its sum with a rounding to the nearest.
#pragma once
#include "shared/real.cuh"

// The bits of an f32 that tf32 has.
constexpr u32 TF32 = 0xFFFFE000u;

// The two parts of N numbers; numbers that were `EXACT` in tf32 have no lower one.
template <int N, bool EXACT = false> struct Split {
    u32 hi[N], lo[N];

    __device__ inline void set(int i, float x) {
        // Rounds as cvt.rna.tf32.f32 does, in two instructions instead of four: it may lose a NaN, but lo keeps it.
        hi[i] = EXACT ? __float_as_uint(x) : (__float_as_uint(x) + 0x1000u) & TF32;
        lo[i] = EXACT ? 0 : __float_as_uint(x - __uint_as_float(hi[i])) & TF32;
    }
};

// c += A B with A 16 x 8 and B 8 x 8. Of lane 4 g + t:
//
//   A, number h + 2 k      row g + 8 h, column t + 4 k       h, k, e: 0 or 1
//   B, number k            row t + 4 k, column g
//   c, number e + 2 h      row g + 8 h, column 2 t + e
//
// The eight columns of A may be any eight that are multiplied with the same rows of B.
__device__ inline void multiply_matrices(float (&c)[4], const u32 (&a)[4], const u32 (&b)[2]) {
    asm volatile("mma.sync.aligned.m16n8k8.row.col.f32.tf32.tf32.f32 {%0, %1, %2, %3}, {%4, %5, %6, %7}, {%8, %9}, "
                 "{%0, %1, %2, %3};"
                 : "+f"(c[0]), "+f"(c[1]), "+f"(c[2]), "+f"(c[3])
                 : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(b[0]), "r"(b[1]));
}

// A B, laid out as above.
template <bool EXACT>
__device__ inline void product_of(const Split<4, EXACT>& a, const Split<2>& b, float (&product)[4]) {
#pragma unroll
    for (int i = 0; i < 4; i++)
        product[i] = 0;
    if (!EXACT)
        multiply_matrices(product, a.lo, b.hi);
    multiply_matrices(product, a.hi, b.lo);
    multiply_matrices(product, a.hi, b.hi);
}

// acc += A^T B with A 8 x 32 and B 8 x 8 Q: row t + 4 k of A is spread over four lanes, number c of a[k] is in
// column 4 g + c, b[q][k] in row t + 4 k and column 8 q + g, and acc[2 q + e][c] in row 4 g + c and column
// 8 q + 2 t + e.
template <bool EXACT, int Q>
__device__ inline void add_outer_product(const float (&a)[2][4], const float (&b)[Q][2], float (&acc)[2 * Q][4]) {
    Split<4, EXACT> rows[2];
#pragma unroll
    for (int c = 0; c < 4; c++)
#pragma unroll
        for (int k = 0; k < 2; k++)
            rows[c / 2].set(c % 2 + 2 * k, a[k][c]);
#pragma unroll
    for (int q = 0; q < Q; q++) {
        Split<2> columns;
        columns.set(0, b[q][0]), columns.set(1, b[q][1]);
#pragma unroll
        for (int half = 0; half < 2; half++) {
            float product[4];
            product_of(rows[half], columns, product);
#pragma unroll
            for (int i = 0; i < 4; i++)
                acc[2 * q + i % 2][2 * half + i / 2] += product[i];
        }
    }
}
