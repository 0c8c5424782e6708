// One query of one layer of one network, as a team of blocks carries it out: what is asked, and the
// network's answer as far as it does not grow with n.
#pragma once
#include "cholesky.cuh"
#include "columns.cuh"
#include "memory.cuh"
#include "philox.cuh"

// A sweep of all networks through all layers. Layers lie [layer][member], vectors [level][member], each
// P x ld; side 0 has the forward queries, side 1 the backward ones.
struct Sweep {
    // Q and W(0) Q (W(0)^T Q): capacity x ld a layer.
    void *basis[2], *answers[2];
    // Theta, capacity x capacity: entry (row i, column j) at j capacity + i.
    double* overlap[2];
    // M, capacity x capacity: entry (backward b, forward f) at b capacity + f.
    double* drift;
    State* states;
    // [C; S] of the last query: `rows` x P a layer, or of this one layer after the other.
    double* coefficients[2];
    // h, its level by layer; g, its level by layer.
    void* hidden;
    const u32* levels;
    void* signal;
    const u32* slots;
    // What is left of a query: P x ld a member.
    void* residual;
    // Its new columns and their answers where they are not remembered, else null.
    void *news, *fresh;
    // Couplings added up over layers: all, or past and same; null: not asked for.
    void* accumulated[2];
    // Two numbers a member and layer: squares of the coupling along the other side's columns and of M C.
    double* squares;
    // Two a member, layer and part: of rows of couplings past and same, or of (W - W(0)) phi.
    double* row_squares;
    // Of each member.
    const u64* seeds;
    u64* first_nonfinite;
    const Moment* moment;
    // Positions in the data set: P a member, `sample_stride` apart.
    const u32* samples_at;
    u64 sample_stride;
    // Of each team.
    u32* arrivals;
    double* partials;
    u64 partials_stride;
    double* scratch;
    u64 scratch_stride;
    u32* choices;
    u64 choices_stride;
    // m: on W phi; m times the power of n and L of an update; r^(-1/2).
    double forward, drift_scale, noise_scale;
    // The drop test, squared, and what a new column may be off.
    double tolerance, orthonormal;
    u32 members, depth, capacity, rows, n, ld, samples, activation;
    // 0 exact, 1 nfd, 2 gia; whether h is carried.
    u32 closure, skip;
    // Blocks of a team; rows of a part, and parts.
    u32 blocks, height, parts;
    // Fine layers of a layer; purpose, step and direction.
    u32 fine, tag;
    // The place of layer 0 in a pass, and all of them.
    u32 place, places;
    // Whether it goes up, with forward queries, or down.
    u32 upward;
};
static_assert(sizeof(Sweep) == 376, "as in src/backend/cuda/arguments.rs");

// What the first block of a team decides, for all.
struct Choice {
    u32 count, settled, verdict, padding;
};
enum Verdict { FINE, CORRECT, AGAIN };

// Small matrices of a team, row by row; E rows are capacity + P.
struct Scratch {
    // E x P
    double *along, *again, *defect, *turned, *known, *excess, *drifted, *coupled;
    // P x P
    double *gram, *work, *factor, *second, *inner, *inverse;
    // P
    double *squares, *least;
    Choice* choice;
    // P each: columns kept of a block, of its correction, of the whole query.
    u32 *kept, *kept_second, *samples;
};

// By one thread.
__device__ inline void find(const Sweep& of, u32 team, Scratch& s) {
    u64 each = (u64)(of.capacity + of.samples) * of.samples, square = (u64)of.samples * of.samples;
    double* at = of.scratch + team * of.scratch_stride;
    u32* choices = of.choices + team * of.choices_stride;
    s.along = at, s.again = at + each, s.defect = at + 2 * each, s.turned = at + 3 * each;
    s.known = at + 4 * each, s.excess = at + 5 * each, s.drifted = at + 6 * each;
    s.coupled = at + 7 * each;
    at += 8 * each;
    s.gram = at, s.work = at + square, s.factor = at + 2 * square, s.second = at + 3 * square;
    s.inner = at + 4 * square, s.inverse = at + 5 * square;
    at += 6 * square;
    s.squares = at, s.least = at + of.samples;
    s.choice = (Choice*)choices;
    s.kept = choices + 4, s.kept_second = s.kept + of.samples, s.samples = s.kept + 2 * of.samples;
}

// In shared memory, as all that is the same for a whole block.
template <class Real> struct Query {
    u32 member, layer, place;
    // This side and the other.
    u32 own, other;
    // Columns stored on this side, on the other, and those of the other that are conditioned on.
    u32 rank, other_rank, used;
    u32 earlier;
    double kept;
    u32 drifted, other_drifted;
    Real *basis, *answers, *residual;
    // h below the layer; what is asked about, h or g; and what comes of it: P x ld.
    const Real *h, *from;
    Real* to;
    const Real *other_basis, *other_answers;
    // Where new columns and their answers go.
    Real *news, *fresh;
    double* coefficients;
    // New columns so far, and samples that are settled.
    u32 total, first;

    // X from the first sample that is not settled on.
    __device__ Real* left(const Sweep& of) const { return residual + (u64)first * of.ld; }
    // Where the next new columns go.
    __device__ Real* made(const Sweep& of) const { return news + (u64)total * of.ld; }
};

// By one thread.
template <class Real>
__device__ __noinline__ void turn_to(const Sweep& of, u32 member, u32 layer, Query<Real>& q) {
    bool forward = of.upward;
    u64 index = (u64)(layer - 1) * of.members + member;
    u64 columns = index * of.capacity * of.ld, vectors = (u64)member * of.samples * of.ld;
    const State& state = of.states[index];
    q.own = forward ? 0 : 1, q.other = 1 - q.own;
    q.member = member, q.layer = layer;
    q.place = forward ? of.place + layer : of.place + of.depth - layer + 1;
    q.rank = state.rank[q.own], q.other_rank = state.rank[q.other];
    q.earlier = state.earlier, q.kept = state.kept;
    q.drifted = state.drifted[q.own], q.other_drifted = state.drifted[q.other];
    q.used = of.closure == 2 ? 0 : !forward && of.closure == 1 ? q.earlier : q.other_rank;
    q.basis = (Real*)of.basis[q.own] + columns, q.answers = (Real*)of.answers[q.own] + columns;
    q.other_basis = (const Real*)of.basis[q.other] + columns;
    q.other_answers = (const Real*)of.answers[q.other] + columns;
    q.residual = (Real*)of.residual + vectors;
    q.news = of.news ? (Real*)of.news + vectors : q.basis + (u64)q.rank * of.ld;
    q.fresh = of.news ? (Real*)of.fresh + vectors : q.answers + (u64)q.rank * of.ld;
    q.coefficients =
        of.coefficients[q.own] + (of.news ? member : index) * of.rows * of.samples;
    q.total = q.first = 0;
    u64 level = (u64)of.members * of.samples * of.ld;
    Real *hidden = (Real*)of.hidden + vectors, *signal = (Real*)of.signal + vectors;
    q.h = hidden + of.levels[layer - 1] * level;
    q.from = forward ? q.h : signal + of.slots[layer] * level;
    q.to = forward ? hidden + of.levels[layer] * level : signal + of.slots[layer - 1] * level;
}

// A chunk of rows [row, end) of a part, and whether it is the part's first and last.
struct Chunk {
    u32 part, row, end;
    bool first, last;
};

// Before the first chunk of this block.
__device__ inline Chunk begin(const Sweep& of, const Team& team) {
    return Chunk{team.block - team.blocks, 0, 0, false, true};
}

// The next chunk of this block's parts, if there is one.
__device__ inline bool next(const Sweep& of, const Team& team, Chunk& at) {
    at.first = at.last;
    if (at.last)
        at.part += team.blocks, at.row = at.part * of.height;
    else
        at.row = at.end;
    if (at.part >= of.parts)
        return false;
    u32 stop = min(of.ld, (at.part + 1) * of.height);
    at.end = min(stop, at.row + team.chunk), at.last = at.end == stop;
    return true;
}

// One pass of an expansion: see expand.cuh.
template <class Real> struct Pass {
    Real* y;
    double *along, *gram;
    u32 count;
    bool asks;
};

// What a block knows of its query, in shared memory: the same for all its threads.
template <class Real> struct Block {
    Sweep of;
    Team team;
    Scratch s;
    Query<Real> q;
    double* partials;
    Pass<Real> pass;
    // Those of the phase in hand.
    Combination<Real> combinations[4];
};

// A chunk of the query: phi(h) or g, zero beyond the rows that there are.
template <class Real, int S>
__device__ __noinline__ void write_query(const Block<Real>& b, u32 row, u32 end) {
    const Sweep& of = b.of;
    Share share = share_of<Real, S>(of.samples);
    u32 own = row + share.row;
    if (own >= end)
        return;
    for (u32 p = share.group; p < of.samples; p += share.groups) {
        Real x[LANES<Real>];
        load(b.q.from + (u64)p * of.ld + own, x);
        if (of.upward)
#pragma unroll
            for (int i = 0; i < LANES<Real>; i++)
                // phi(0) need not be 0.
                x[i] = own + i < of.n ? value(of.activation, x[i]) : Real(0);
        store(b.q.residual + (u64)p * of.ld + own, x);
    }
}
