// The two products with stored columns, on a chunk of rows: inner products and combinations.
//
// A column lies along its rows, 16-byte aligned, padded with zeros to a multiple of 32 rows.
//
//   dots      c_jp = sum_i Q_ij x_ip      Q: rows x r, x: rows x P     2 r P flops a row
//   combine   y_ip += sum_j Q_ij c_jp                                  2 r P flops a row
//
// Both read Q by 16 bytes a lane: dots once for every D samples, combine once for every (S x groups)
// samples; after the first time the chunk is in the first- or second-level cache. Neither is inlined: a
// sweep calls them from a dozen places.
#pragma once
#include "conditional/team.cuh"
#include "shared/warp.cuh"

// Columns that one warp of dots has at once.
constexpr int COLUMNS = 4;
// The most columns, and the most samples, whose coefficients are in shared memory at once.
constexpr int STAGED = 32;

// Which part of a chunk a thread computes in combine: LANES<Real> rows of S samples.
struct Share {
    // Groups of threads that have the same rows, and the group of this thread.
    u32 groups, group;
    // The first row of this thread, counted from the beginning of the chunk; rows of a chunk.
    u32 row, chunk;
    // Samples of all groups together: S x groups.
    u32 together;
};

// The share of this thread where there are P samples. Chunks must be those of
// src/backend/cuda/conditional/shape.rs.
template <class Real, int S> __device__ inline Share share_of(u32 samples) {
    u32 shift = samples <= S ? 0 : samples <= 2 * S ? 1 : 2;
    u32 groups = 1 << shift, threads = THREADS >> shift;
    return Share{groups, threadIdx.x >> (8 - shift), (threadIdx.x & (threads - 1)) * LANES<Real>,
                 threads * LANES<Real>, groups * S};
}

// Inner products of `count` columns of Q with `samples` columns of x, over rows [row, end). Entry (j, p)
// is number (j samples + p) of `partials`, which lie `parts` apart. The first chunk of a part overwrites
// it, the others add to it. With `upper` only entries with p >= j are computed.
template <class Real, class Sum, int D>
__device__ __noinline__ void dots(const Real* q, u32 count, const Real* x, u32 samples, u32 ld, u32 row,
                            u32 end, double* partials, u32 parts, bool first, bool upper) {
    constexpr int N = LANES<Real>, V = COLUMNS * D;
    u32 warp = threadIdx.x / 32, lane = threadIdx.x % 32;
    u32 across = (samples + D - 1) / D, tasks = (count + COLUMNS - 1) / COLUMNS * across;
    for (u32 task = warp; task < tasks; task += WARPS) {
        u32 j = task / across * COLUMNS, p = task % across * D;
        if (upper && p + D <= j)
            continue;
        Sum acc[COLUMNS][D] = {};
#pragma unroll 1
        for (u32 i = row + lane * N; i < end; i += 32 * N) {
            Real a[COLUMNS][N];
#pragma unroll
            for (int c = 0; c < COLUMNS; c++)
                load(q + (u64)min(j + c, count - 1) * ld + i, a[c]);
#pragma unroll
            for (int s = 0; s < D; s++) {
                Real b[N];
                load(x + (u64)min(p + s, samples - 1) * ld + i, b);
#pragma unroll
                for (int c = 0; c < COLUMNS; c++)
#pragma unroll
                    for (int k = 0; k < N; k++)
                        acc[c][s] = fused((Sum)a[c][k], (Sum)b[k], acc[c][s]);
            }
        }
        Sum flat[V];
#pragma unroll
        for (int v = 0; v < V; v++)
            flat[v] = acc[v / D][v % D];
        Sum sum = sum_of_lanes<V, 16>(flat);
        u32 value = lane / (32 / V);
        j += value / D, p += value % D;
        if (lane % (32 / V) > 0 || j >= count || p >= samples)
            continue;
        double* to = partials + ((u64)j * samples + p) * parts;
        *to = first ? (double)sum : *to + (double)sum;
    }
}

// Loads this thread's rows of the samples first + group S + s; zeros beyond `samples`, and where x is null.
template <class Real, int S>
__device__ inline void load_share(const Share& share, const Real* x, u32 ld, u32 row, bool there,
                                  u32 first, u32 samples, Real (&y)[S][LANES<Real>]) {
#pragma unroll
    for (int s = 0; s < S; s++) {
        u32 p = first + share.group * S + s;
        if (x && there && p < samples) {
            load(x + (u64)p * ld + row, y[s]);
        } else {
#pragma unroll
            for (int i = 0; i < LANES<Real>; i++)
                y[s][i] = 0;
        }
    }
}

// phi'(u), not inlined: it would be repeated for every row and sample of a thread.
template <class Real> __device__ __noinline__ Real slope_at(u32 activation, Real u) {
    return slope(activation, u);
}

// A sum of columns times coefficients: columns side by side, or those that `map` lists; the coefficient of
// column j in sample p is number (j samples + p).
template <class Real> struct Term {
    const Real* q;
    const u32* map;
    const double* c;
    double scale;
    u32 count;
};

// Y = start + the terms, and then added + phi'(h) Y, at all rows of P samples. Lies in shared memory.
template <class Real> struct Combination {
    Term<Real> terms[3];
    // P x ld each; null: zeros, or no factor phi'(h).
    const Real *start, *h, *added;
    // Where Y is written or, if `adds`, added; null: nowhere.
    Real* to;
    bool adds;
    // Samples of Y, and samples P by which shares are dealt.
    u32 samples, all, activation;
};

// What a thread has seen of its rows of Y: the sum of squares, and whether all numbers are finite.
struct Found {
    double squares;
    bool fine;
};

// Computes a combination at the thread's share of rows [row, end). All threads of the block call it
// together. `to` may be one of the columns: all reads of a group come before its writes, and the last group
// comes first.
template <class Real, int S>
__device__ __noinline__ Found combine(const Combination<Real>* combination, u32 ld, u32 row, u32 end) {
    constexpr int N = LANES<Real>;
    __shared__ __align__(16) Real staged[STAGED][STAGED];
    Share share = share_of<Real, S>(combination->all);
    u32 samples = combination->samples, own = row + share.row;
    bool there = own < end;
    Found found{0, true};
    for (u32 groups = (samples + share.together - 1) / share.together; groups > 0;) {
        u32 first = --groups * share.together;
        Real y[S][N];
        load_share<Real, S>(share, combination->start, ld, own, there, first, samples, y);
        for (int t = 0; t < 3; t++) {
            const Term<Real>& term = combination->terms[t];
            for (u32 begin = 0; begin < term.count; begin += STAGED) {
                u32 count = min((u32)STAGED, term.count - begin);
                __syncthreads();
                for (u32 e = threadIdx.x; e < count * share.together; e += THREADS) {
                    u32 j = e / share.together, s = e % share.together, p = first + s;
                    const double* c = term.c + (u64)(begin + j) * samples + p;
                    staged[j][s] = (Real)(p < samples ? term.scale * *c : 0.0);
                }
                __syncthreads();
                if (!there)
                    continue;
                const Real* q = term.q + own;
#pragma unroll 4
                for (u32 j = 0; j < count; j++) {
                    u32 column = term.map ? term.map[begin + j] : begin + j;
                    Real a[N];
                    load(q + (u64)column * ld, a);
#pragma unroll
                    for (int s = 0; s < S; s++) {
                        Real k = staged[j][share.group * S + s];
#pragma unroll
                        for (int i = 0; i < N; i++)
                            y[s][i] = fused(k, a[i], y[s][i]);
                    }
                }
            }
        }
        __syncthreads();
#pragma unroll
        for (int s = 0; s < S; s++) {
            u32 p = first + share.group * S + s;
            if (!there || p >= samples)
                continue;
            u64 at = (u64)p * ld + own;
            if (combination->h) {
                Real u[N], added[N] = {};
                load(combination->h + at, u);
                if (combination->added)
                    load(combination->added + at, added);
#pragma unroll
                for (int i = 0; i < N; i++)
                    y[s][i] = fused(slope_at(combination->activation, u[i]), y[s][i], added[i]);
            }
            Real before[N] = {};
            if (combination->adds)
                load(combination->to + at, before);
#pragma unroll
            for (int i = 0; i < N; i++) {
                found.fine = found.fine && finite(y[s][i]);
                found.squares = fused((double)y[s][i], (double)y[s][i], found.squares);
                y[s][i] += before[i];
            }
            if (combination->to)
                store(combination->to + at, y[s]);
        }
    }
    return found;
}
