// X = [Q N] [C; S]: writes a query X as a combination of the stored columns Q and new ones N, which the drop
// test chooses, and reads Q as seldom as rounding allows (src/backend/cpu/conditional/orthogonal.rs).
//
//   pass 1   C1 = Q^T X                                          reads Q
//   pass 2   X <- X - Q C1,  C2 = Q^T X,  G = X^T X in f64       reads Q
//            G - C2^T C2 = S^T S, pivots below the tolerance skipped
//   pass 3   N = (X - Q C2) S^-1,  C3 = Q^T N,  N^T N = R        reads Q
//   pass 4   N <- (N - Q C3) S2^-1,  R - C3^T C3 = S2^T S2       reads Q; only if N is not orthonormal
//
// As a rule these passes are made once. If rounding hides whether a column depends on those before it, the
// columns before it join the basis, and the passes begin again with it as the first of another block.
#pragma once
#include "conditional/query.cuh"

// A normalised column counts as new only if its square norm is above this after its part along the stored
// columns was subtracted once more.
constexpr double LEAST_NEWS = 0.25;
constexpr double LARGEST = 0x1.fffffffffffffp1023;

// Chooses the new columns: factors `gram`, and prepares what pass 3 multiplies with. By the first block.
__device__ __noinline__ void choose(const Scratch& s, u32 m, u32 r, u32 room) {
    const double* least = s.least;
    Factor found =
        factor(s.gram, m, [least](u32 j) { return least[j]; }, s.work, s.factor, s.kept);
    // There can be more columns than rows only where numbers are not finite.
    u32 count = min(found.count, room);
    invert(s.factor, m, s.kept, count, s.inverse);
    multiply_upper(s.again, r, m, s.kept, count, s.inverse, s.turned);
    if (threadIdx.x == 0)
        s.choice->count = count, s.choice->settled = found.settled, s.choice->verdict = AGAIN;
    __syncthreads();
}

// What follows pass 2, by the first block: the Gram matrix of what is left, its bounds, the choice.
template <class Real>
__device__ __noinline__ void prepare(const Block<Real>& b) {
    const Sweep& args = b.args;
    const Query<Real>& q = b.q;
    const Scratch& s = b.s;
    u32 first = q.first, m = args.samples - first, r = q.rank + q.total;
    reduce_gram(s.gram, m, s.again, r);
    if (first == 0) {
        for (u32 p = threadIdx.x; p < m; p += THREADS) {
            double square = s.gram[p * m + p];
#pragma unroll 4
            for (u32 row = 0; row < r; row++) {
                double c = s.along[row * m + p] + s.again[row * m + p];
                square = fused(c, c, square);
            }
            s.squares[p] = square;
        }
        u32 rows = min(args.rows, q.rank + args.samples);
        for (u32 e = threadIdx.x; e < rows * args.samples; e += THREADS)
            q.coefficients[e] = 0;
        __syncthreads();
    }
    // Bounds are finite, so that a column that overflowed is kept; infinity marks columns to be dropped.
    for (u32 p = threadIdx.x; p < m; p += THREADS) {
        double bound = args.tolerance * s.squares[first + p];
        s.least[p] = bound <= LARGEST ? bound : LARGEST;
    }
    __syncthreads();
    choose(s, m, r, args.rows - r);
    if (s.choice->count == 0)
        settle(b, false);
}

// Writes the coefficients of the block once its columns are known; by the first block.
template <class Real>
__device__ __noinline__ void settle(const Block<Real>& b, bool corrected) {
    const Sweep& args = b.args;
    const Query<Real>& q = b.q;
    const Scratch& s = b.s;
    u32 first = q.first, m = args.samples - first, r = q.rank + q.total, k = s.choice->count;
    u32 settled = s.choice->settled;
    for (u32 e = threadIdx.x; e < r * m; e += THREADS) {
        u32 row = e / m, p = e % m;
        double c = s.along[e];
        // `again` was not subtracted from columns that a later block will settle.
        if (p < settled)
            c += s.again[e];
        if (corrected && p < settled)
#pragma unroll 4
            for (u32 i = 0; i < k; i++)
                c = fused(s.defect[row * k + i], s.factor[i * m + p], c);
        q.coefficients[row * args.samples + first + p] += c;
    }
    for (u32 e = threadIdx.x; e < k * settled; e += THREADS) {
        u32 row = e / settled, p = e % settled;
        double c = s.factor[row * m + p];
        if (corrected) {
            c = 0;
#pragma unroll 4
            for (u32 i = row; i < k; i++)
                c = fused(s.second[row * k + i], s.factor[i * m + p], c);
        }
        q.coefficients[(r + row) * args.samples + first + p] = c;
    }
    for (u32 i = threadIdx.x; i < k; i += THREADS)
        s.samples[q.total + i] = first + s.kept[i];
    __syncthreads();
}

// What follows pass 3, by the first block: decides whether the new columns can stay as they are.
template <class Real>
__device__ __noinline__ void judge(const Block<Real>& b) {
    const Sweep& args = b.args;
    const Query<Real>& q = b.q;
    const Scratch& s = b.s;
    u32 first = q.first, m = args.samples - first, r = q.rank + q.total, k = s.choice->count;
    // The largest distance from orthonormal. A NaN is passed over here and noticed elsewhere.
    double off = 0;
    for (u32 e = threadIdx.x; e < r * k; e += THREADS)
        off = fmax(off, fabs(s.defect[e]));
    for (u32 e = threadIdx.x; e < k * k; e += THREADS)
        if (e / k <= e % k)
            off = fmax(off, fabs(s.inner[e] - (e / k == e % k ? 1.0 : 0.0)));
    off = of_block(off, [](double a, double b) { return fmax(a, b); });
    u32 verdict = FINE;
    if (off > args.orthonormal) {
        reduce_gram(s.inner, k, s.defect, r);
        Factor second = factor(
            s.inner, k, [](u32) { return LEAST_NEWS; }, s.work, s.second, s.kept_second);
        if (second.count == k) {
            verdict = CORRECT;
            invert(s.second, k, s.kept_second, k, s.inverse);
            multiply_upper(s.defect, r, k, nullptr, k, s.inverse, s.turned);
        } else {
            verdict = AGAIN;
            // A column that lay in the span of the others, and of which rounding is left, is not new.
            for (u32 i = threadIdx.x, at = 0; i < k; i += THREADS) {
                while (at < second.count && s.kept_second[at] < i)
                    at++;
                if (at == second.count || s.kept_second[at] != i)
                    s.least[s.kept[i]] = __longlong_as_double(0x7FF0000000000000);
            }
            __syncthreads();
            choose(s, m, r, args.rows - r);
        }
    }
    if (threadIdx.x == 0)
        s.choice->verdict = verdict;
    if (verdict != AGAIN)
        settle(b, verdict == CORRECT);
    else if (s.choice->count == 0)
        settle(b, false);
}

// Adds up the partial sums of a pass.
template <class Real> __device__ __noinline__ void collect(Block<Real>& b) {
    u32 count = b.pass.count, entries = (b.q.rank + b.q.total) * count;
    double *along = b.pass.along, *gram = b.pass.gram;
    add_up(b.team, b.partials, b.args.parts, entries, Every{},
           [=](u32 e, double sum) { along[e] = sum; });
    if (gram)
        add_up(
            b.team, b.partials + (u64)entries * b.args.parts, b.args.parts, count * count,
            [=](u32 e) { return e / count <= e % count; }, [=](u32 e, double sum) { gram[e] = sum; });
}

// Sets up a pass, which writes `count` vectors y (phi(h) or g if it `asks`, else the combination that is set
// up) and collects their inner products with all columns in `along`, and among each other in `gram` unless
// that is null. All threads of the block call it.
template <class Real>
__device__ __noinline__ void set_up(Block<Real>& b, u32 count, Real* y, bool asks, double* along,
                                    double* gram) {
    __syncthreads();
    if (threadIdx.x == 0)
        b.pass = Pass<Real>{y, along, gram, count, asks};
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

// Makes one pass over the rows, after which all blocks see its sums.
template <class Real, int S> __device__ __noinline__ void pass(Block<Real>& b) {
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
    }
    meet(b.team);
    collect(b);
    meet(b.team);
}

// Expands the query. Afterwards all blocks see its coefficients, its new columns, and in s.samples which
// samples brought them. What lasts from pass to pass lies in shared memory, not in registers.
template <class Real, int S> __device__ inline void expand(Block<Real>& b) {
    while (b.q.first < b.args.samples) {
        set_up<Real>(b, b.args.samples - b.q.first, b.q.left(b.args), b.q.first == 0, b.s.along,
                     nullptr);
        pass<Real, S>(b);
        combine_next<Real>(b, b.pass.count, b.pass.y, Term<Real>{}, b.s.along, b.pass.y);
        set_up<Real>(b, b.pass.count, b.pass.y, false, b.s.again, b.s.gram);
        pass<Real, S>(b);
        if (b.team.block == 0)
            prepare(b);
        meet(b.team);
        while (b.s.choice->verdict == AGAIN && b.s.choice->count > 0) {
            combine_next<Real>(
                b, b.s.choice->count, nullptr,
                Term<Real>{b.q.left(b.args), b.s.kept, b.s.inverse, 1.0, b.s.choice->count},
                b.s.turned, b.q.made(b.args));
            set_up<Real>(b, b.s.choice->count, b.q.made(b.args), false, b.s.defect, b.s.inner);
            pass<Real, S>(b);
            if (b.team.block == 0)
                judge(b);
            meet(b.team);
        }
        if (b.s.choice->verdict == CORRECT) {
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
}
