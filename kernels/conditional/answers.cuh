// What the answers of W(0) to new columns Q depend on: normals Z, and inner products with the other side.
//
//   ask      e = QB^T Z - BB^T Q                                           reads QB, BB
//
// and what does not depend on new columns: M C, and Theta C where couplings are asked for.
#pragma once
#include "conditional/query.cuh"

// Draws Z at the thread's rows of one sample: finest/L normals in ascending order, as on the CPU.
template <class Real>
__device__ inline void draw(const Block<Real>& b, u32 sample, u32 row, Real (&z)[LANES<Real>]) {
    constexpr int N = LANES<Real>;
    const Sweep& args = b.args;
    u64 seed = args.seeds[b.q.member];
    u32 first = (b.q.block - 1) * args.fine_layers + 1, tag = args.tag[b.q.inner];
    for (u32 fine = 0; fine < args.fine_layers; fine++) {
        float4 quad = normals(seed, row / 4, sample, first + fine, tag);
        float four[4] = {quad.x, quad.y, quad.z, quad.w};
#pragma unroll
        for (int i = 0; i < N; i++) {
            // In f64 a thread has two of the four rows.
            float x = N == 4 ? four[i] : row % 4 == 0 ? four[i] : four[2 + i];
            z[i] = fine == 0 ? (Real)x : z[i] + (Real)x;
        }
    }
#pragma unroll
    for (int i = 0; i < N; i++) {
        if (args.fine_layers > 1)
            z[i] *= (Real)args.noise_scale;
        if (row + i >= args.width)
            z[i] = 0;
    }
}

// Draws Z of a chunk for `news` new columns, in the place of A_new.
template <class Real, int S>
__device__ __noinline__ void draw_chunk(const Block<Real>& b, u32 news, u32 row, u32 end) {
    Share share = share_of<Real, S>(b.args.samples);
    u32 own = row + share.row;
    if (own >= end)
        return;
    const u32* indices = b.args.positions + b.q.member * b.args.positions_stride;
    for (u32 column = share.group; column < news; column += share.groups) {
        Real z[LANES<Real>];
        draw(b, indices[b.s.samples[column]], own, z);
        store(b.q.new_answers + (u64)column * b.args.ld + own, z);
    }
}

// The stored inner products Theta of this side of the query's layer.
template <class Real> __device__ inline double* overlap_of(const Block<Real>& b) {
    u64 index = (u64)(b.q.layer - 1) * b.args.members + b.q.member;
    return b.args.overlap[b.q.own] + index * b.args.capacity * b.args.capacity;
}

// Draws Z of a chunk and adds up, in `partials`, its inner products with the other side's columns, and those of
// `news` new columns with the other side's answers.
template <class Real, int S>
__device__ __noinline__ void ask_chunk(const Block<Real>& b, Chunk at, u32 news, double* partials) {
    constexpr int D = S < 8 ? 4 : 8;
    const Sweep& args = b.args;
    const Query<Real>& q = b.q;
    double* from_news = partials + (u64)q.used * news * args.parts;
    draw_chunk<Real, S>(b, news, at.row, at.end);
    __syncthreads();
    dots<Real, Real, D>(q.other_basis, q.used, q.new_answers, news, args.ld, at.row, at.end, partials + at.part,
                        args.parts, at.first, false);
    dots<Real, Real, D>(q.other_answers, q.used, q.new_columns, news, args.ld, at.row, at.end, from_news + at.part,
                        args.parts, at.first, false);
}

// Adds up what ask_chunk left: `known`, what A_new must have along the other side's basis, and `excess`, what Z
// has there and A_new must not have.
template <class Real> __device__ __noinline__ void collect_asked(const Block<Real>& b, u32 news, const double* partials) {
    const Sweep& args = b.args;
    const Query<Real>& q = b.q;
    const Scratch& s = b.s;
    double* overlap = overlap_of(b);
    bool remembered = !args.new_columns;
    add_up(b.team, partials + (u64)q.used * news * args.parts, args.parts, q.used * news, Every{},
           [&](u32 e, double sum) {
               s.known[e] = sum;
               if (remembered)
                   overlap[(u64)(q.rank + e % news) * args.capacity + e / news] = sum;
           });
    add_up(b.team, partials, args.parts, q.used * news, Every{},
           [&](u32 e, double sum) { s.excess[e] = sum - s.known[e]; });
}

// Computes what does not depend on new columns: M C (going down M^T C), and Theta C where couplings are
// asked for.
template <class Real> __device__ __noinline__ void along_other_side(Block<Real>& b) {
    const Sweep& args = b.args;
    Hands hands = Hands::of(b.team);
    const Query<Real>& q = b.q;
    const Scratch& s = b.s;
    const double* overlap = overlap_of(b);
    u64 square = (u64)args.capacity * args.capacity;
    const double* m = args.drift + ((u64)(q.layer - 1) * args.members + q.member) * square;
    u32 P = args.samples;
    u64 over_i = args.upward ? args.capacity : 1, over_j = args.upward ? 1 : args.capacity;
    for (u32 e = hands.mine; e < q.other_drifted * P; e += hands.all) {
        double sum = 0;
        for (u32 j = 0; j < q.drifted; j++)
            sum = fused(m[e / P * over_i + j * over_j], q.coefficients[j * P + e % P], sum);
        s.drifted[e] = sum;
    }
    if (!args.accumulated[0])
        return;
    for (u32 e = hands.mine; e < q.other_rank * P; e += hands.all) {
        double sum = 0;
        for (u32 j = 0; j < q.rank; j++)
            sum = fused(overlap[(u64)j * args.capacity + e / P], q.coefficients[j * P + e % P], sum);
        s.coupled[e] = sum;
    }
}
