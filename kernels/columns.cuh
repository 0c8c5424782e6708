// The two products with stored columns, on a chunk of rows: inner products and combinations.
//
// A column lies along its rows, 16-byte aligned, padded with zeros to a multiple of 32 rows.
//
//   dots      c_jp = sum_i Q_ij x_ip      Q: rows x r, x: rows x P     2 r P flops a row
//   combine   y_ip += sum_j Q_ij c_jp                                  2 r P flops a row
//
// Both read Q by 16 bytes a lane: dots once for every D samples, combine once for every S groups
// samples; the chunk is in the first- or second-level cache after the first time. Both are called, not
// taken in: a sweep calls them from a dozen places.
#pragma once
#include "team.cuh"

// Columns of one warp in dots.
constexpr int COLUMNS = 4;
// Columns whose coefficients are in shared memory at once, and the most samples.
constexpr int STAGED = 32;

// The part of a chunk that a thread has in combine: LANES<Real> rows of S samples.
struct Share {
    // Groups of threads that have the same rows, and this thread's.
    u32 groups, group;
    // The first row, from the beginning of the chunk; rows of a chunk.
    u32 row, chunk;
    // S groups: samples of all of them.
    u32 together;
};

// Of P samples; src/backend/cuda/conditional/shape.rs knows the chunks too.
template <class Real, int S> __device__ inline Share share_of(u32 samples) {
    u32 shift = samples <= S ? 0 : samples <= 2 * S ? 1 : 2;
    u32 groups = 1 << shift, threads = THREADS >> shift;
    return Share{groups, threadIdx.x >> (8 - shift), (threadIdx.x & (threads - 1)) * LANES<Real>,
                 threads * LANES<Real>, groups * S};
}

// Sums over rows [row, end) of all `samples` columns of x with `count` columns of Q. Entry (j, p) is at
// j samples + p of `partials`, which are `parts` apart; a part's first chunk overwrites it, the others
// add to it. `upper`: entries with p >= j suffice.
template <class Real, class Sum, int D>
__device__ __noinline__ void dots(const Real* q, u32 count, const Real* x, u32 samples, u32 ld, u32 row,
                            u32 end, double* partials, u32 parts, bool first, bool upper) {
    constexpr int N = LANES<Real>;
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
        // Lane c D + s keeps the sum of column c and sample s.
        Sum sum = 0;
#pragma unroll
        for (int c = 0; c < COLUMNS; c++)
#pragma unroll
            for (int s = 0; s < D; s++) {
                Sum part = acc[c][s];
#pragma unroll
                for (int away = 16; away > 0; away /= 2)
                    part += __shfl_xor_sync(0xFFFFFFFF, part, away);
                if (lane == c * D + s)
                    sum = part;
            }
        j += lane / D, p += lane % D;
        if (lane >= COLUMNS * D || j >= count || p >= samples)
            continue;
        double* to = partials + ((u64)j * samples + p) * parts;
        *to = first ? (double)sum : *to + (double)sum;
    }
}

// This thread's rows of samples `first` + group S + s; zero beyond `samples`, and without x.
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

// phi'(u), called: taken in, it would be there for every row and sample of a thread.
template <class Real> __device__ __noinline__ Real slope_at(u32 activation, Real u) {
    return slope(activation, u);
}

// Columns, side by side or those that `map` names, times coefficients: entry (j, p) at j samples + p.
template <class Real> struct Term {
    const Real* q;
    const u32* map;
    const double* c;
    double scale;
    u32 count;
};

// Y = [start] + the terms, then [added] + phi'(h) Y, at all rows of P samples; in shared memory.
template <class Real> struct Combination {
    Term<Real> terms[3];
    // P x ld each, or null
    const Real *start, *h, *added;
    // Written, or added to.
    Real* to;
    bool adds;
    // P, and the P that shares are made for.
    u32 samples, all, activation;
};

// What a thread has found in its rows: the sum of squares of Y, and whether all of it is finite.
struct Found {
    double squares;
    bool fine;
};

// One combination at the thread's share of rows [row, end). All threads of the block call it together.
// `to` may be among the columns of one group: a group reads all before it writes, the last one first.
template <class Real, int S>
__device__ __noinline__ Found combine(const Combination<Real>* of, u32 ld, u32 row, u32 end) {
    constexpr int N = LANES<Real>;
    __shared__ __align__(16) Real staged[STAGED][STAGED];
    Share share = share_of<Real, S>(of->all);
    u32 samples = of->samples, own = row + share.row;
    bool there = own < end;
    Found found{0, true};
    for (u32 groups = (samples + share.together - 1) / share.together; groups > 0;) {
        u32 first = --groups * share.together;
        Real y[S][N];
        load_share<Real, S>(share, of->start, ld, own, there, first, samples, y);
        for (int t = 0; t < 3; t++) {
            const Term<Real>& term = of->terms[t];
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
            if (of->h) {
                Real u[N], added[N] = {};
                load(of->h + at, u);
                if (of->added)
                    load(of->added + at, added);
#pragma unroll
                for (int i = 0; i < N; i++)
                    y[s][i] = fused(slope_at(of->activation, u[i]), y[s][i], added[i]);
            }
            Real before[N] = {};
            if (of->adds)
                load(of->to + at, before);
#pragma unroll
            for (int i = 0; i < N; i++) {
                found.fine = found.fine && finite(y[s][i]);
                found.squares = fused((double)y[s][i], (double)y[s][i], found.squares);
                y[s][i] += before[i];
            }
            if (of->to)
                store(of->to + at, y[s]);
        }
    }
    return found;
}
