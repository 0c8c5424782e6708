// The conditional engine: one cooperative launch takes all networks through all layers, up or down
// (src/backend/plain/conditional.rs). What happens in a layer on the way up; on the way down the sides
// change places, and phi'(h) multiplies the result:
//
//   expand   phi(h) = [QF Q] [C; S]                                        expand.cuh
//   ask      e = QB^T Z - BB^T Q                                           reads QB, BB      answers.cuh
//   answer   A_new = Z - QB e,
//            h <- h + scale (AF C + A_new S) - drift scale QB M C          reads AF, QB
//
// Bytes: seven arrays of n r numbers (QF three times, QB twice), 28 n r in f32 and 56 n r for both
// directions; then some n P: h, X three times, Z, which lies in the place of A_new from the moment it is
// drawn: sums of finest/L normals are not worth drawing twice. Flops: 20 n r P (10 where nothing is new), the
// Gram matrix in f64. Small matrices never leave the device, and nothing waits for the host.
//
// Thread blocks are dealt to teams; a team has one network at a time, a block has whole parts of its rows. As a
// rule six barriers a layer and direction, five where nothing is new; one more where couplings are asked for, and
// three or more for every further pass of an expansion, for more than 32 samples, or for a correction. No result
// depends on the number of blocks in a team.
//
// Launch: 256 threads; grid (teams x blocks of a team), all of them resident; S = 2 up to eight samples, else 8.
//
// What lasts lies in shared memory, for it is the same for all threads; registers hold the 16 bytes of each
// column in flight, and the sums of a warp or the rows of a thread. They leave room for two blocks on a
// multiprocessor in f32 with S = 2, for one otherwise.
//
// budget: sweep_f32_2 registers 128, shared 18432
// budget: sweep_f32_8 registers 240, shared 18432
// budget: sweep_f64_2 registers 144, shared 22528
// budget: sweep_f64_8 registers 208, shared 22528
#include "conditional/expand.cuh"

// Asks about the new columns, if the expansion has not; and t = Theta C + known S where couplings are asked for.
template <class Real, int S> __device__ __noinline__ void ask(Block<Real>& b, bool asked) {
    const Sweep& args = b.args;
    const Query<Real>& q = b.q;
    const Scratch& s = b.s;
    u32 k = q.total, P = args.samples;
    if (!asked) {
        if (k > 0)
            for (Chunk at = begin(args, b.team); next(args, b.team, at);)
                ask_chunk<Real, S>(b, at, k, b.partials);
        along_other_side(b);
        meet(b.team);
        if (k > 0) {
            collect_asked(b, k, b.partials);
            meet(b.team);
        }
    }
    if (!args.accumulated[0] || k == 0)
        return;
    Hands hands = Hands::of(b.team);
    for (u32 e = hands.mine; e < q.used * P; e += hands.all) {
        double sum = s.coupled[e];
        for (u32 j = 0; j < k; j++)
            sum = fused(s.known[e / P * k + j], q.coefficients[(q.rank + j) * P + e % P], sum);
        s.coupled[e] = sum;
    }
    meet(b.team);
}

// Sum of squares of `count` numbers, by one block.
__device__ __noinline__ double squares_of(const double* x, u32 count) {
    double sum = 0;
    for (u32 e = threadIdx.x; e < count; e += THREADS)
        sum = fused(x[e], x[e], sum);
    return sum_of_block(sum);
}

// Computes A_new, the layer's result, and couplings row by row.
template <class Real, int S>
__device__ __noinline__ void answer(Block<Real>& b) {
    const Sweep& args = b.args;
    const Team& team = b.team;
    const Query<Real>& q = b.q;
    const Scratch& s = b.s;
    u32 ld = args.ld, P = args.samples, k = q.total;
    u64 each = (u64)P * ld;
    double forward = args.forward[q.inner], scale = forward * q.kept;
    bool upward = args.upward, asked = args.accumulated[0] != nullptr;
    // In two-layer blocks g meets couplings of W1, and r those of W2 by themselves.
    bool past_and_same = asked && !upward && q.joins;
    // Where weights decay, (W - W(0)) phi has a share of W(0) phi.
    bool moved = asked && upward && q.kept != 1.0;
    // The four combinations: A_new; h or g; and two couplings, or one coupling and (W - W(0)) phi.
    __syncthreads();
    if (threadIdx.x < 4) {
        Combination<Real> c = {};
        u32 which = threadIdx.x;
        c.samples = which == 0 ? k : P, c.all = P, c.activation = args.activation;
        c.h = !upward && which > 0 ? q.h : nullptr;
        double factor = which == 1 ? scale : forward * (q.kept - 1.0);
        if (which == 0) {
            c.start = q.new_answers, c.to = q.new_answers;
            c.terms[0] = Term<Real>{q.other_basis, nullptr, s.excess, -1.0, q.used};
        } else if (which == 1 || (which == 3 && moved)) {
            if (which == 1) {
                c.start = upward ? q.carried : nullptr;
                c.added = upward ? nullptr : q.carried;
                c.to = q.to;
            }
            const double* new_answers = q.coefficients + (u64)q.rank * P;
            c.terms[0] = Term<Real>{q.answers, nullptr, q.coefficients, factor, q.rank};
            c.terms[1] = Term<Real>{q.new_answers, nullptr, new_answers, factor, k};
            c.terms[2] =
                Term<Real>{q.other_basis, nullptr, s.drifted, -args.drift_scale[q.inner], q.other_drifted};
        } else if (asked && (which == 2 || past_and_same)) {
            u32 first = which == 2 ? 0 : q.earlier;
            u32 end = which == 2 && past_and_same ? q.earlier : q.other_rank;
            if (q.joins)
                c.adds = true, c.to = (Real*)args.accumulated[which - 2] + q.member * each;
            c.terms[0] = Term<Real>{q.other_basis + (u64)first * ld, nullptr,
                                    s.coupled + (u64)first * P, scale, end - first};
        }
        b.combinations[which] = c;
    }
    __syncthreads();
    u64 index = ((u64)q.member * args.matrices + q.layer - 1) * 2;
    double sums[2] = {0, 0};
    bool fine = true;
    for (Chunk at = begin(args, team); next(args, team, at);) {
        if (k > 0)
            combine<Real, S>(b.combinations, ld, at.row, at.end);
        __syncthreads();
        fine = combine<Real, S>(b.combinations + 1, ld, at.row, at.end).fine && fine;
        if (!asked)
            continue;
        if (at.first)
            sums[0] = sums[1] = 0;
        sums[0] += combine<Real, S>(b.combinations + 2, ld, at.row, at.end).squares;
        if (past_and_same || moved)
            sums[1] += combine<Real, S>(b.combinations + 3, ld, at.row, at.end).squares;
        if (!at.last)
            continue;
        for (int which = 0; which < 2; which++) {
            double sum = sum_of_block(sums[which]);
            if (threadIdx.x == 0)
                args.row_squares[(index + which) * args.parts + at.part] = sum;
        }
    }
    if (!fine && args.first_nonfinite)
        note_nonfinite(args.first_nonfinite + q.member, args.parameters, q.place, args.places);
    if (team.block > 0)
        return;
    if (asked) {
        double coupled = squares_of(s.coupled, q.other_rank * P);
        double drifted = squares_of(s.drifted, q.other_drifted * P);
        if (threadIdx.x == 0)
            args.squares[index] = coupled, args.squares[index + 1] = drifted;
    }
    if (threadIdx.x == 0 && !args.new_columns) {
        LayerState& state = args.states[(u64)(q.layer - 1) * args.members + q.member];
        state.rank[q.own] = q.rank + k;
        if (upward)
            state.earlier = q.rank;
    }
}

// Turns to the next matrix of this team's networks; false after the last.
template <class Real> __device__ __noinline__ bool go_on(Block<Real>& b, bool begins) {
    __syncthreads();
    if (threadIdx.x == 0) {
        u32 teams = gridDim.x / b.args.blocks, last = b.args.matrices;
        u32 member = begins ? blockIdx.x / b.args.blocks : b.q.member;
        u32 layer = begins ? (b.args.upward ? 0 : last + 1) : b.q.layer;
        layer = b.args.upward ? layer + 1 : layer - 1;
        if (layer == 0 || layer > last)
            member += teams, layer = b.args.upward ? 1 : last;
        b.q.member = member;
        if (member < b.args.members)
            turn_to(b.args, member, layer, b.q);
    }
    __syncthreads();
    return b.q.member < b.args.members;
}

template <class Real, int S> __device__ inline void sweep(const Sweep& given) {
    __shared__ Block<Real> b;
    if (threadIdx.x == 0) {
        u32 index = blockIdx.x / given.blocks;
        b.args = given;
        // Every counter has 128 bytes of its own.
        u32 chunk = share_of<Real, S>(given.samples).chunk;
        b.team = Team{given.arrivals + 32 * index, given.blocks, blockIdx.x % given.blocks, 0, chunk};
        b.partials = given.partials + index * given.partials_stride;
        find_scratch(b.args, index, b.s);
    }
    for (bool more = go_on(b, true); more; more = go_on(b, false)) {
        bool asked = expand<Real, S>(b);
        ask<Real, S>(b, asked);
        answer<Real, S>(b);
    }
}

#define SWEEP(NAME, REAL, S, BLOCKS)                                                                       \
    extern "C" __global__ void __launch_bounds__(THREADS, BLOCKS) NAME(const Sweep args) {   \
        sweep<REAL, S>(args);                                                                        \
    }
SWEEP(sweep_f32_2, float, 2, 2)
SWEEP(sweep_f32_8, float, 8, 1)
SWEEP(sweep_f64_2, double, 2, 1)
SWEEP(sweep_f64_8, double, 8, 1)
