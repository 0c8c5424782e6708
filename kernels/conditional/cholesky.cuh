// Cholesky factorisation that drops dependent columns, by one thread block in f64: which columns of a
// residual are new, and how the others follow from them (src/backend/cpu/conditional/cholesky.rs).
// Matrices lie row by row in global memory.
#pragma once
#include "conditional/team.cuh"

// Error of a pivot, as a share of its diagonal entry, where the Gram matrix was summed in f64; with a
// margin of a thousand.
constexpr double RESOLUTION = 1e-13;

// What a factorisation has found.
struct Factor {
    // Columns that are new, and leading columns for which the Gram matrix is precise enough to tell.
    u32 count, settled;
};

// Factors `gram`, m x m, of which entries (i, j) with j >= i are read. Column j is dropped unless its
// pivot is above least(j). Writes `count` rows and `settled` columns of S, m x m, and which columns it kept.
template <class Least>
__device__ inline Factor factor(const double* gram, u32 m, Least least, double* work, double* s,
                                u32* kept) {
    for (u32 e = threadIdx.x; e < m * m; e += THREADS)
        if (e % m >= e / m)
            work[e] = gram[e];
    __syncthreads();
    u32 count = 0, settled = m;
    for (u32 j = 0; j < m; j++) {
        double pivot = work[j * m + j], diagonal = gram[j * m + j], bound = least(j);
        double noise = count == 0 ? 0.0 : RESOLUTION * diagonal;
        // A column that overflowed is kept: its results are not finite either, and that is noticed.
        if (pivot > fmax(bound, noise) || (!finite(pivot) && finite(bound))) {
            double root = sqrt(pivot);
            double* row = s + count * m;
            for (u32 c = threadIdx.x; c < m; c += THREADS)
                row[c] = c < j ? 0.0 : c == j ? root : work[j * m + c] / root;
            __syncthreads();
            u32 left = m - j - 1;
            for (u32 e = threadIdx.x; e < left * left; e += THREADS) {
                u32 b = j + 1 + e / left, c = j + 1 + e % left;
                if (c >= b)
                    work[b * m + c] = fused(-row[b], row[c], work[b * m + c]);
            }
            if (threadIdx.x == 0)
                kept[count] = j;
            count++;
            __syncthreads();
        } else if (diagonal > bound && noise > bound) {
            settled = j;
            break;
        }
    }
    __syncthreads();
    return Factor{count, settled};
}

// Inverts the kept columns of S, k x k and upper triangular; one thread for each column.
__device__ inline void invert(const double* s, u32 m, const u32* kept, u32 k, double* inverse) {
    for (u32 j = threadIdx.x; j < k; j += THREADS)
        for (u32 up = 0; up < k; up++) {
            u32 i = k - 1 - up;
            double known = i == j ? 1.0 : 0.0;
#pragma unroll 4
            for (u32 a = i + 1; a <= j; a++)
                known = fused(-s[i * m + kept[a]], inverse[a * k + j], known);
            inverse[i * k + j] = i > j ? 0.0 : known / s[i * m + kept[i]];
        }
    __syncthreads();
}

// Multiplies the columns `kept` of c, r x m, with an upper triangular k x k matrix.
__device__ inline void multiply_upper(const double* c, u32 r, u32 m, const u32* kept, u32 k,
                            const double* upper, double* turned) {
    for (u32 e = threadIdx.x; e < r * k; e += THREADS) {
        u32 row = e / k, j = e % k;
        double sum = 0;
#pragma unroll 4
        for (u32 i = 0; i <= j; i++)
            sum = fused(c[row * m + (kept ? kept[i] : i)], upper[i * k + j], sum);
        turned[e] = sum;
    }
}

// Subtracts C^T C from the upper triangle of `gram`, m x m; C: r x m.
__device__ inline void reduce_gram(double* gram, u32 m, const double* c, u32 r) {
    for (u32 e = threadIdx.x; e < m * m; e += THREADS) {
        u32 i = e / m, j = e % m;
        if (j < i)
            continue;
        double sum = gram[e];
#pragma unroll 4
        for (u32 row = 0; row < r; row++)
            sum = fused(-c[row * m + i], c[row * m + j], sum);
        gram[e] = sum;
    }
    __syncthreads();
}
