// One query of one layer of one network, which a team of thread blocks carries out: arguments of the sweep,
// the query in hand, and the small matrices that do not grow with the width n.
#pragma once
#include "conditional/cholesky.cuh"
#include "conditional/columns.cuh"
#include "conditional/layer_state.cuh"
#include "shared/philox.cuh"
#include "shared/step.cuh"

/// Arguments of `sweep`: all networks through all layers, up or down. Arrays of matrices are `[layer][member]`,
/// arrays of vectors `[level][member][P][ld]`; side 0 has the forward queries, side 1 the backward ones.
struct Sweep {
    /// Q of each side, capacity x ld a layer and member: the stored columns, orthonormal.
    void* basis[2];
    /// W(0) Q of side 0 and W(0)^T Q of side 1, laid out as Q.
    void* answers[2];
    /// Theta of each side, capacity x capacity: entry (row i, column j) at j capacity + i.
    double* overlap[2];
    /// M, capacity x capacity: entry (backward column b, forward column f) at b capacity + f.
    double* drift;
    /// What is known of each layer of each member.
    LayerState* states;
    /// `[C; S]` of the last query of each side: `rows` x P, one for each layer and member, or for each
    /// member where nothing is remembered.
    double* coefficients[2];
    /// h, by level; in two-layer blocks h and z.
    void* hidden;
    /// The level of `hidden` that has the vectors below matrix 1, 2, ..., and those above the last: h_0 .. h_L, in
    /// two-layer blocks h_0, z_1, h_1 .. h_L.
    const u32* levels;
    /// g, by level; in two-layer blocks g and r, the gradient at z.
    void* signal;
    /// The level of `signal` that has the vectors below and above matrices, as `levels`.
    const u32* slots;
    /// What is left of a query beside the stored columns, P x ld a member.
    void* residual;
    /// New columns of a query, P x ld a member, where they are not remembered; else null.
    void* new_columns;
    /// Answers to the new columns, laid out as they are; else null.
    void* new_answers;
    /// Couplings added up over layers, P x ld a member: forward all in the first, backward past and same;
    /// null: they are not asked for.
    void* accumulated[2];
    /// Two numbers a member and matrix: squares of the coupling along the other side's columns, and of M C.
    double* squares;
    /// Two numbers a member, matrix and part: squares of rows of couplings past and same, or of
    /// (W - W(0)) phi.
    double* row_squares;
    /// Seed of the noise of each member.
    const u64* seeds;
    /// Where each member first left the finite numbers; null: nothing is noted.
    u64* first_nonfinite;
    /// What changes from step to step.
    const StepParameters* parameters;
    /// Positions of the first member's P samples in the data set.
    const u32* positions;
    /// Positions from one member to the next; 0: all members have the same samples.
    u64 positions_stride;
    /// Arrivals at barriers, a counter every 32 numbers for each team.
    u32* arrivals;
    /// Inner products in parts, of the first team.
    double* partials;
    /// Numbers from one team's `partials` to the next team's.
    u64 partials_stride;
    /// Small matrices of the first team, as struct Scratch has them.
    double* scratch;
    /// Numbers from one team's `scratch` to the next team's.
    u64 scratch_stride;
    /// What the first team has decided: a Choice and three lists of P columns.
    u32* choices;
    /// Numbers from one team's `choices` to the next team's.
    u64 choices_stride;
    /// The power of n and L on W phi: of W, in two-layer blocks W2, and of W1.
    double forward[2];
    /// The power of n and L on W phi, times that of an update, of both.
    double drift_scale[2];
    /// The factor r^(-1/2) on the sum over r fine layers.
    double noise_scale;
    /// The drop test: a column is new if what is left of it, squared, is more than this share.
    double tolerance;
    /// The most that inner products of new columns may be off from those of orthonormal ones.
    double orthonormal;
    /// Networks that are swept.
    u32 members;
    /// Matrices of a network: its depth L, in two-layer blocks twice that.
    u32 matrices;
    /// Matrices of a block: 1, or 2 in two-layer blocks, of which W1 is the first.
    u32 per_block;
    /// Columns that a side of a layer has room for.
    u32 capacity;
    /// Rows of coefficients that a layer has room for.
    u32 rows;
    /// Width n of the hidden layers.
    u32 width;
    /// Numbers of one vector, padding included: n rounded up to a multiple of 32.
    u32 ld;
    /// Samples P of a member.
    u32 samples;
    /// The activation phi, by its place in enum Activation.
    u32 activation;
    /// The columns that queries know of the other direction: 4 where forward queries know all, else 0;
    /// plus 0, 1 or 2 where backward queries know none, those of earlier passes, or all.
    u32 closure;
    /// 1 where h and g are carried on by a residual, else 0.
    u32 skip;
    /// Thread blocks of a team.
    u32 blocks;
    /// Rows of a part.
    u32 height;
    /// Parts of the padded rows of a vector.
    u32 parts;
    /// Fine layers r that make up a layer.
    u32 fine_layers;
    /// Purpose, step and direction of the noise address, in one number: of W (W2), and of W1.
    u32 tag[2];
    /// The place of layer 0 of this sweep in a pass.
    u32 first_place;
    /// Places of a whole pass.
    u32 places;
    /// 1 where the sweep goes up with forward queries, 0 where it goes down.
    u32 upward;
};

// What is decided for all blocks of a team: new columns, samples that are settled, what becomes of them; and
// whether any inner product of new columns was too far from that of orthonormal ones.
struct Choice {
    u32 count, settled, verdict, far;
};
enum Verdict { FINE, CORRECT, AGAIN };

// Small matrices of a team, row by row; E = capacity + P.
struct Scratch {
    // E x P each.
    double *along, *again, *defect, *turned, *known, *excess, *drifted, *coupled;
    // P x P each.
    double *gram, *work, *factor, *second, *inner, *inverse;
    // P numbers each.
    double *squares, *least;
    Choice* choice;
    // Lists of up to P columns: kept of a block, kept of its correction; and the samples of new columns.
    u32 *kept, *kept_second, *samples;
};

// Finds the small matrices of a team; by one thread.
__device__ inline void find_scratch(const Sweep& args, u32 team, Scratch& s) {
    u64 each = (u64)(args.capacity + args.samples) * args.samples, square = (u64)args.samples * args.samples;
    double* at = args.scratch + team * args.scratch_stride;
    u32* choices = args.choices + team * args.choices_stride;
    s.along = at, s.again = at + each, s.defect = at + 2 * each, s.turned = at + 3 * each;
    s.known = at + 4 * each, s.excess = at + 5 * each, s.drifted = at + 6 * each;
    s.coupled = at + 7 * each;
    at += 8 * each;
    s.gram = at, s.work = at + square, s.factor = at + 2 * square, s.second = at + 3 * square;
    s.inner = at + 4 * square, s.inverse = at + 5 * square;
    at += 6 * square;
    s.squares = at, s.least = at + args.samples;
    s.choice = (Choice*)choices;
    s.kept = choices + 4, s.kept_second = s.kept + args.samples, s.samples = s.kept + 2 * args.samples;
}

// The query in hand: in shared memory, for it is the same for all threads of a block.
template <class Real> struct Query {
    // The matrix of the network that is asked, from 1 on, and its block.
    u32 member, layer, block, place;
    // 1 where it is the W1 of a two-layer block, else 0; and whether what it makes joins the residual stream.
    u32 inner;
    bool joins;
    // The side that is asked about (0 forward, 1 backward), and the other side.
    u32 own, other;
    // Columns stored on this side, on the other, and columns of the other that the answer depends on.
    u32 rank, other_rank, used;
    u32 earlier;
    double kept;
    u32 drifted, other_drifted;
    Real *basis, *answers, *residual;
    // h below the layer; the vectors that are asked about, h or g; and where the result goes: P x ld.
    const Real *h, *from;
    // What a residual carries on past the block: h below it, or g above it; null where nothing joins it here.
    const Real* carried;
    Real* to;
    const Real *other_basis, *other_answers;
    // Where new columns and the answers to them go.
    Real *new_columns, *new_answers;
    double* coefficients;
    // New columns so far, and the first sample that is not settled.
    u32 total, first;

    // What is left of the query, from the first sample that is not settled.
    __device__ Real* left(const Sweep& args) const { return residual + (u64)first * args.ld; }
    // Where the next new columns are written.
    __device__ Real* made(const Sweep& args) const { return new_columns + (u64)total * args.ld; }
};

// Sets up the query of a layer of a network; by one thread.
template <class Real>
__device__ __noinline__ void turn_to(const Sweep& args, u32 member, u32 layer, Query<Real>& q) {
    bool forward = args.upward;
    u64 index = (u64)(layer - 1) * args.members + member;
    u64 columns = index * args.capacity * args.ld, vectors = (u64)member * args.samples * args.ld;
    const LayerState& state = args.states[index];
    q.own = forward ? 0 : 1, q.other = 1 - q.own;
    q.member = member, q.layer = layer, q.block = (layer + args.per_block - 1) / args.per_block;
    q.inner = layer < q.block * args.per_block;
    q.joins = forward ? !q.inner : q.inner || args.per_block == 1;
    q.place = args.first_place + (forward ? q.block : args.matrices / args.per_block - q.block + 1);
    q.rank = state.rank[q.own], q.other_rank = state.rank[q.other];
    q.earlier = state.earlier, q.kept = state.kept;
    q.drifted = state.drifted[q.own], q.other_drifted = state.drifted[q.other];
    u32 backward_knows = args.closure & 3;
    bool knows_all = forward ? args.closure & 4 : backward_knows == 2;
    q.used = knows_all ? q.other_rank : !forward && backward_knows == 1 ? q.earlier : 0;
    q.basis = (Real*)args.basis[q.own] + columns, q.answers = (Real*)args.answers[q.own] + columns;
    q.other_basis = (const Real*)args.basis[q.other] + columns;
    q.other_answers = (const Real*)args.answers[q.other] + columns;
    q.residual = (Real*)args.residual + vectors;
    q.new_columns = args.new_columns ? (Real*)args.new_columns + vectors : q.basis + (u64)q.rank * args.ld;
    q.new_answers = args.new_columns ? (Real*)args.new_answers + vectors : q.answers + (u64)q.rank * args.ld;
    q.coefficients =
        args.coefficients[q.own] + (args.new_columns ? member : index) * args.rows * args.samples;
    q.total = q.first = 0;
    u64 level = (u64)args.members * args.samples * args.ld;
    Real *hidden = (Real*)args.hidden + vectors, *signal = (Real*)args.signal + vectors;
    q.h = hidden + args.levels[layer - 1] * level;
    q.from = forward ? q.h : signal + args.slots[layer] * level;
    q.to = forward ? hidden + args.levels[layer] * level : signal + args.slots[layer - 1] * level;
    q.carried = nullptr;
    if (q.joins && args.skip)
        q.carried = forward ? hidden + args.levels[layer - args.per_block] * level
                            : signal + args.slots[layer - 1 + args.per_block] * level;
}

// A chunk of a part: rows [row, end), and whether it is the first or the last chunk of the part.
struct Chunk {
    u32 part, row, end;
    bool first, last;
};

// Where next() finds the first chunk of this block.
__device__ inline Chunk begin(const Sweep& args, const Team& team) {
    return Chunk{team.block - team.blocks, 0, 0, false, true};
}

// Goes on to the next chunk of this block's parts; false after the last.
__device__ inline bool next(const Sweep& args, const Team& team, Chunk& at) {
    at.first = at.last;
    if (at.last)
        at.part += team.blocks, at.row = at.part * args.height;
    else
        at.row = at.end;
    if (at.part >= args.parts)
        return false;
    u32 stop = min(args.ld, (at.part + 1) * args.height);
    at.end = min(stop, at.row + team.chunk), at.last = at.end == stop;
    return true;
}

// One pass of an expansion, as set_up in expand.cuh describes it.
template <class Real> struct Pass {
    Real* y;
    double *along, *gram;
    u32 count;
    // Whether y is the query itself; whether it is new columns.
    bool asks, is_new;
};

// All that a thread block knows: in shared memory, for it is the same for all its threads.
template <class Real> struct Block {
    Sweep args;
    Team team;
    Scratch s;
    Query<Real> q;
    double* partials;
    Pass<Real> pass;
    // The combinations of the phase in hand.
    Combination<Real> combinations[4];
};

// Writes a chunk of the query: phi(h) or g, and zeros in the padding beyond row n.
template <class Real, int S>
__device__ __noinline__ void write_query(const Block<Real>& b, u32 row, u32 end) {
    const Sweep& args = b.args;
    Share share = share_of<Real, S>(args.samples);
    u32 own = row + share.row;
    if (own >= end)
        return;
    for (u32 p = share.group; p < args.samples; p += share.groups) {
        Real x[LANES<Real>];
        load(b.q.from + (u64)p * args.ld + own, x);
        if (args.upward)
#pragma unroll
            for (int i = 0; i < LANES<Real>; i++)
                // The padding stays zero where phi(0) is not.
                x[i] = own + i < args.width ? value(args.activation, x[i]) : Real(0);
        store(b.q.residual + (u64)p * args.ld + own, x);
    }
}
