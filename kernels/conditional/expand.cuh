// X = [Q N] [C; S]: writes a query X as a combination of the stored columns Q and new ones N, which the drop
// test chooses, and reads Q as seldom as rounding allows (src/backend/cpu/conditional/orthogonal.rs).
//
//   pass 1   C1 = Q^T X                                          reads Q
//   pass 2   X <- X - Q C1,  C2 = Q^T X,  G = X^T X in f64       reads Q
//            G - C2^T C2 = S^T S, pivots below the tolerance skipped
//   pass 3   N = (X - Q C2) S^-1,  C3 = Q^T N,  N^T N = R        reads Q; asks about N, too (answers.cuh)
//   pass 4   N <- (N - Q C3) S2^-1,  R - C3^T C3 = S2^T S2       reads Q; only if N is not orthonormal
//
// As a rule these passes are made once. If rounding hides whether a column depends on those before it, the
// columns before it join the basis, and the passes begin again with it as the first of another block. The small
// matrices are computed by one thread block up to 32 samples, by all blocks of the team above.
#pragma once
#include "conditional/answers.cuh"

constexpr double LARGEST = 0x1.fffffffffffffp1023;

// The sizes of the block of columns in hand: samples from `first` on, columns that were there before, new ones.
struct Sizes {
    u32 first, m, r, k;
};
template <class Real> __device__ inline Sizes sizes_of(const Block<Real>& b) {
    return Sizes{b.q.first, b.args.samples - b.q.first, b.q.rank + b.q.total, b.s.choice->count};
}

// Chooses the new columns: factors `gram`, and prepares what pass 3 multiplies with. `settled`: samples whose
// coefficients have `again` so far, which those that a later block settles must not have.
template <class Real> __device__ __noinline__ void choose(const Block<Real>& b, Hands hands, u32 settled) {
    const Scratch& s = b.s;
    Sizes z = sizes_of(b);
    Factor found = factor(hands, s.gram, z.m, s.least, s.work, s.factor, s.kept);
    // There can be more columns than rows only where numbers are not finite.
    u32 count = min(found.count, b.args.rows - z.r);
    invert(hands, s.factor, z.m, s.kept, count, s.inverse);
    if (found.settled != settled)
        for (u32 e = hands.mine; e < z.r * z.m; e += hands.all) {
            u32 row = e / z.m, p = e % z.m;
            double& c = b.q.coefficients[row * b.args.samples + z.first + p];
            if (found.settled <= p && p < settled)
                c -= s.again[e];
            else if (settled <= p && p < found.settled)
                c += s.again[e];
        }
    for (u32 i = hands.mine; i < count; i += hands.all)
        s.samples[b.q.total + i] = z.first + s.kept[i];
    if (hands.mine == 0)
        *s.choice = Choice{count, found.settled, AGAIN, 0};
    multiply_upper(hands, s.again, z.r, z.m, s.kept, count, s.inverse, s.turned);
}

// What follows pass 2: the Gram matrix of what is left, its bounds, the choice.
template <class Real> __device__ __noinline__ void prepare(const Block<Real>& b, Hands hands) {
    const Scratch& s = b.s;
    Sizes z = sizes_of(b);
    reduce_gram(hands, s.gram, z.m, s.again, z.r);
    for (u32 p = hands.mine; p < z.m; p += hands.all) {
        if (z.first == 0) {
            double square = s.gram[p * z.m + p];
#pragma unroll 4
            for (u32 row = 0; row < z.r; row++) {
                double c = b.q.coefficients[row * z.m + p];
                square = fused(c, c, square);
            }
            s.squares[p] = square;
        }
        // Bounds are finite, so that a column that overflowed is kept; infinity marks columns to be dropped.
        double bound = b.args.tolerance * s.squares[z.first + p];
        s.least[p] = bound <= LARGEST ? bound : LARGEST;
    }
    hands.meet();
    choose(b, hands, z.m);
}

// What follows pass 3 where new columns are not orthonormal: decides what becomes of them.
template <class Real> __device__ __noinline__ void judge(const Block<Real>& b, Hands hands) {
    const Scratch& s = b.s;
    Sizes z = sizes_of(b);
    u32 k = z.k, settled = s.choice->settled, P = b.args.samples;
    reduce_gram(hands, s.inner, k, s.defect, z.r);
    Factor second = factor(hands, s.inner, k, nullptr, s.work, s.second, s.kept_second);
    if (second.count == k) {
        invert(hands, s.second, k, s.kept_second, k, s.inverse);
        for (u32 e = hands.mine; e < (z.r + k) * settled; e += hands.all) {
            u32 row = e / settled, p = e % settled;
            double& c = b.q.coefficients[row * P + z.first + p];
            double sum = row < z.r ? c : 0.0;
            const double* from = row < z.r ? s.defect + row * k : s.second + (row - z.r) * k;
#pragma unroll 4
            for (u32 i = row < z.r ? 0 : row - z.r; i < k; i++)
                sum = fused(from[i], s.factor[i * z.m + p], sum);
            c = sum;
        }
        if (hands.mine == 0)
            s.choice->verdict = CORRECT;
        multiply_upper(hands, s.defect, z.r, k, nullptr, k, s.inverse, s.turned);
        return;
    }
    // A column that lay in the span of the others, and of which rounding is left, is not new.
    for (u32 i = hands.mine; i < k; i += hands.all) {
        u32 at = 0;
        while (at < second.count && s.kept_second[at] < i)
            at++;
        if (at == second.count || s.kept_second[at] != i)
            s.least[s.kept[i]] = __longlong_as_double(0x7FF0000000000000);
    }
    for (u32 e = hands.mine; e < k * z.m; e += hands.all)
        b.q.coefficients[(z.r + e / z.m) * P + z.first + e % z.m] = 0;
    hands.meet();
    choose(b, hands, settled);
}

// Calls one of the above: by the first block while others wait, or by all blocks where matrices are large.
template <class Real, class Work> __device__ inline void decide(Block<Real>& b, Work work) {
    if (b.args.samples - b.q.first <= PANEL) {
        meet_and(b.team, [&] { work(Hands::alone()); });
    } else {
        meet(b.team);
        work(Hands::of(b.team));
    }
}

// Adds up the partial sums of a pass. Coefficients have what they sum up to, as if all samples were settled.
template <class Real> __device__ __noinline__ void collect(Block<Real>& b) {
    const Pass<Real>& pass = b.pass;
    u32 count = pass.count, entries = (b.q.rank + b.q.total) * count, P = b.args.samples, first = b.q.first;
    double *along = pass.along, *gram = pass.gram, *coefficients = b.q.coefficients;
    double most = b.args.orthonormal;
    bool news = pass.is_new, far = false;
    if (pass.asks) {
        u32 rows = min(b.args.rows, b.q.rank + P);
        Hands hands = Hands::of(b.team);
        for (u32 e = hands.mine; e < rows * P; e += hands.all)
            coefficients[e] = 0;
    }
    const double* before = b.s.along;
    add_up(b.team, b.partials, b.args.parts, entries, Every{}, [&](u32 e, double sum) {
        along[e] = sum;
        if (news)
            far = far || fabs(sum) > most;
        else if (gram)
            coefficients[e / count * P + first + e % count] += before[e] + sum;
    });
    if (gram)
        add_up(
            b.team, b.partials + (u64)entries * b.args.parts, b.args.parts, count * count,
            [=](u32 e) { return e / count <= e % count; },
            [&](u32 e, double sum) {
                gram[e] = sum;
                if (news)
                    far = far || fabs(sum - (e / count == e % count ? 1.0 : 0.0)) > most;
            });
    // A NaN is passed over here and noticed elsewhere.
    if (far)
        atomicOr(&b.s.choice->far, 1u);
}

// Writes S of the new columns, which no further pass changes as a rule; by all blocks.
template <class Real> __device__ __noinline__ void settle(Block<Real>& b) {
    Sizes z = sizes_of(b);
    Hands hands = Hands::of(b.team);
    u32 settled = b.s.choice->settled;
    for (u32 e = hands.mine; e < z.k * settled; e += hands.all) {
        u32 row = e / settled, p = e % settled;
        b.q.coefficients[(z.r + row) * b.args.samples + z.first + p] = b.s.factor[row * z.m + p];
    }
}

// Sets up a pass, which writes `count` vectors y (phi(h) or g if it `asks`, else the combination that is set
// up) and collects their inner products with all columns in `along`, and among each other in `gram` unless
// that is null. `is_new`: y are new columns, whose inner products are compared with those of orthonormal ones
// and are no coefficients of the query. All threads of the block call it.
template <class Real>
__device__ __noinline__ void set_up(Block<Real>& b, u32 count, Real* y, bool asks, double* along,
                                    double* gram, bool is_new) {
    __syncthreads();
    if (threadIdx.x == 0)
        b.pass = Pass<Real>{y, along, gram, count, asks, is_new};
    __syncthreads();
}

// Sets up the combination of the next pass: y = start + the term - [Q N] c.
template <class Real>
__device__ __noinline__ void combine_next(Block<Real>& b, u32 count, const Real* start,
                                          Term<Real> term, const double* c, Real* y) {
    __syncthreads();
    if (threadIdx.x == 0) {
        Combination<Real>& made = b.combinations[0];
        made = {};
        made.start = start, made.to = y, made.samples = count, made.all = b.args.samples;
        made.terms[0] = term;
        made.terms[1] = Term<Real>{b.q.basis, nullptr, c, -1.0, b.q.rank};
        made.terms[2] =
            Term<Real>{b.q.new_columns, nullptr, c + (u64)b.q.rank * count, -1.0, b.q.total};
    }
    __syncthreads();
}

// Where the partial sums of a pass end, and others can begin.
template <class Real> __device__ inline double* behind(const Block<Real>& b) {
    return b.partials + (u64)(b.q.rank + b.q.total + b.pass.count) * b.pass.count * b.args.parts;
}

// Makes one pass over the rows; where `news` is not 0, it asks about so many new columns in the same go.
template <class Real, int S> __device__ __noinline__ void pass(Block<Real>& b, u32 news) {
    // Sums in f64 take twice the registers.
    constexpr int D = S < 8 ? 4 : 8, OF_GRAM = S < 8 ? 2 : 8;
    for (Chunk at = begin(b.args, b.team); next(b.args, b.team, at);) {
        if (b.pass.asks)
            write_query<Real, S>(b, at.row, at.end);
        if (b.pass.gram)
            combine<Real, S>(b.combinations, b.args.ld, at.row, at.end);
        __syncthreads();
        double* to = b.partials + at.part;
        dots<Real, Real, D>(b.q.basis, b.q.rank, b.pass.y, b.pass.count, b.args.ld, at.row, at.end,
                            to, b.args.parts, at.first, false);
        to = b.partials + (u64)b.q.rank * b.pass.count * b.args.parts + at.part;
        dots<Real, Real, D>(b.q.new_columns, b.q.total, b.pass.y, b.pass.count, b.args.ld, at.row, at.end,
                            to, b.args.parts, at.first, false);
        if (!b.pass.gram)
            continue;
        u32 before = (b.q.rank + b.q.total) * b.pass.count;
        to = b.partials + (u64)before * b.args.parts + at.part;
        dots<Real, double, OF_GRAM>(b.pass.y, b.pass.count, b.pass.y, b.pass.count, b.args.ld, at.row,
                                    at.end, to, b.args.parts, at.first, true);
        if (news > 0)
            ask_chunk<Real, S>(b, at, news, behind(b));
    }
}

// Expands the query. Afterwards all blocks see its coefficients, its new columns, and in s.samples which
// samples brought them; whether it has asked about them, too. What lasts from pass to pass lies in shared memory,
// not in registers.
template <class Real, int S> __device__ inline bool expand(Block<Real>& b) {
    bool asked = false;
    while (b.q.first < b.args.samples) {
        set_up<Real>(b, b.args.samples - b.q.first, b.q.left(b.args), b.q.first == 0, b.s.along, nullptr, false);
        pass<Real, S>(b, 0);
        meet(b.team);
        collect(b);
        meet(b.team);
        combine_next<Real>(b, b.pass.count, b.pass.y, Term<Real>{}, b.s.along, b.pass.y);
        set_up<Real>(b, b.pass.count, b.pass.y, false, b.s.again, b.s.gram, false);
        pass<Real, S>(b, 0);
        meet(b.team);
        collect(b);
        decide(b, [&](Hands hands) { prepare(b, hands); });
        u32 verdict = AGAIN;
        while (verdict == AGAIN && b.s.choice->count > 0) {
            const Choice& choice = *b.s.choice;
            combine_next<Real>(b, choice.count, nullptr,
                               Term<Real>{b.q.left(b.args), b.s.kept, b.s.inverse, 1.0, choice.count}, b.s.turned,
                               b.q.made(b.args));
            set_up<Real>(b, choice.count, b.q.made(b.args), false, b.s.defect, b.s.inner, true);
            // New columns can stay as they are as a rule, so that the last of them are asked about at once;
            // not many, whose sums would take much memory.
            asked = b.args.samples <= PANEL && b.q.first + choice.settled == b.args.samples;
            u32 news = asked ? b.q.total + choice.count : 0;
            pass<Real, S>(b, news);
            settle(b);
            if (asked)
                along_other_side(b);
            meet(b.team);
            collect(b);
            if (asked)
                collect_asked(b, news, behind(b));
            meet(b.team);
            if (choice.far == 0) {
                verdict = FINE;
            } else {
                asked = false;
                decide(b, [&](Hands hands) { judge(b, hands); });
                verdict = choice.verdict;
            }
        }
        if (verdict == CORRECT) {
            combine_next<Real>(
                b, b.s.choice->count, nullptr,
                Term<Real>{b.q.made(b.args), nullptr, b.s.inverse, 1.0, b.s.choice->count},
                b.s.turned, b.q.made(b.args));
            for (Chunk at = begin(b.args, b.team); next(b.args, b.team, at);)
                combine<Real, S>(b.combinations, b.args.ld, at.row, at.end);
        }
        __syncthreads();
        // All blocks read the choice before any can change it: the next pass 1 has a barrier.
        if (threadIdx.x == 0)
            b.q.first += b.s.choice->settled, b.q.total += b.s.choice->count;
        __syncthreads();
    }
    return asked;
}
