// Cholesky factorisation that drops dependent columns, in f64: which columns of a residual are new, and how
// the others follow from them (src/backend/cpu/conditional/cholesky.rs). Matrices lie row by row in global
// memory. One block computes them where they are small, else all blocks of a team.
#pragma once
#include "conditional/team.cuh"

// Error of a pivot, as a share of its diagonal entry, where the Gram matrix was summed in f64; with a
// margin of a thousand.
constexpr double RESOLUTION = 1e-13;
// A normalised column counts as new only if its square norm is above this after its part along the stored
// columns was subtracted once more.
constexpr double LEAST_NEWS = 0.25;
// Columns that one warp factors in shared memory.
constexpr u32 PANEL = 32;

// What a factorisation has found.
struct Factor {
    // Columns that are new, and leading columns for which the Gram matrix is precise enough to tell.
    u32 count, settled;
};

// The columns of a panel while one warp factors them.
struct Panel {
    // The entries that are left; row i of S replaces them as soon as it is known.
    double rows[PANEL][PANEL + 1];
    // The columns that are new, counted from the beginning of the panel.
    u32 kept[PANEL];
    Factor found;
};

// Factors `width` columns of `left`, m x m, from column `begin` on, before which `before` were new; by one warp.
__device__ inline void factor_panel(Panel& panel, const double* gram, const double* left, u32 m, u32 begin, u32 width,
                                    u32 before, const double* least) {
    u32 c = threadIdx.x % 32;
    for (u32 i = 0; i < width; i++)
        if (c >= i && c < width)
            panel.rows[i][c] = left[(begin + i) * m + begin + c];
    u32 count = 0, settled = width;
    for (u32 j = 0; j < width; j++) {
        __syncwarp();
        double pivot = panel.rows[j][j], diagonal = gram[(begin + j) * m + begin + j];
        double bound = least ? least[begin + j] : LEAST_NEWS;
        double noise = before + count == 0 ? 0.0 : RESOLUTION * diagonal;
        __syncwarp();
        // A column that overflowed is kept: its results are not finite either, and that is noticed.
        if (pivot > fmax(bound, noise) || (!finite(pivot) && finite(bound))) {
            double root = sqrt(pivot), mine = 0;
            if (c >= j && c < width)
                mine = c == j ? root : panel.rows[j][c] / root;
            panel.rows[count][c] = mine;
            if (c == 0)
                panel.kept[count] = j;
            __syncwarp();
            for (u32 i = j + 1; i < width; i++)
                if (c >= i && c < width)
                    panel.rows[i][c] = fused(-panel.rows[count][i], mine, panel.rows[i][c]);
            count++;
        } else if (diagonal > bound && noise > bound) {
            settled = j;
            break;
        }
    }
    if (c == 0)
        panel.found = Factor{count, settled};
}

// Factors `gram`, m x m, of which entries (i, j) with j >= i are read. Column j is dropped unless its
// pivot is above least[j], or LEAST_NEWS without a list. Writes `count` rows and `settled` columns of S, m x m,
// and which columns it kept. No bit depends on the hands.
__device__ __noinline__ Factor factor(Hands hands, const double* gram, u32 m, const double* least, double* left,
                                      double* s, u32* kept) {
    __shared__ Panel panel;
    for (u32 e = hands.mine; e < m * m; e += hands.all)
        if (e % m >= e / m)
            left[e] = gram[e];
    hands.meet();
    u32 count = 0, settled = m;
    for (u32 begin = 0; begin < m && settled == m; begin += PANEL) {
        u32 width = min(PANEL, m - begin), end = begin + width;
        // Every block does this for itself.
        if (threadIdx.x < 32)
            factor_panel(panel, gram, left, m, begin, width, count, least);
        __syncthreads();
        u32 news = panel.found.count;
        double* rows = s + count * m;
        for (u32 e = hands.mine; e < news * end; e += hands.all) {
            u32 i = e / end, c = e % end;
            rows[i * m + c] = c < begin ? 0.0 : panel.rows[i][c - begin];
        }
        for (u32 i = hands.mine; i < news; i += hands.all)
            kept[count + i] = begin + panel.kept[i];
        for (u32 c = end + hands.mine; c < m; c += hands.all)
            for (u32 i = 0; i < news; i++) {
                u32 j = panel.kept[i];
                double x = left[(begin + j) * m + c];
                for (u32 a = 0; a < i; a++)
                    x = fused(-panel.rows[a][j], rows[a * m + c], x);
                rows[i * m + c] = x / panel.rows[i][j];
            }
        hands.meet();
        u32 behind = m - end;
        for (u32 e = hands.mine; e < behind * behind; e += hands.all) {
            u32 i = end + e / behind, c = end + e % behind;
            if (c < i)
                continue;
            double x = left[i * m + c];
#pragma unroll 4
            for (u32 a = 0; a < news; a++)
                x = fused(-rows[a * m + i], rows[a * m + c], x);
            left[i * m + c] = x;
        }
        count += news;
        if (panel.found.settled < width)
            settled = begin + panel.found.settled;
        if (behind > 0)
            hands.meet();
    }
    return Factor{count, settled};
}

// Inverts the kept columns of S, k x k and upper triangular; one warp for each column.
__device__ inline void invert(Hands hands, const double* s, u32 m, const u32* kept, u32 k, double* inverse) {
    u32 lane = hands.mine % 32;
    for (u32 j = hands.mine / 32; j < k; j += hands.all / 32) {
        for (u32 i = lane; i < k; i += 32)
            inverse[i * k + j] = i == j ? 1.0 : 0.0;
        for (u32 up = 0; up <= j; up++) {
            // Of every row that is left, its owner takes away what the entry just known brings.
            u32 a = j - up;
            double x = lane == a % 32 ? inverse[a * k + j] / s[a * m + kept[a]] : 0.0;
            x = __shfl_sync(0xFFFFFFFF, x, a % 32);
            if (lane == a % 32)
                inverse[a * k + j] = x;
            for (u32 i = lane; i < a; i += 32)
                inverse[i * k + j] = fused(-s[i * m + kept[a]], x, inverse[i * k + j]);
            __syncwarp();
        }
    }
    hands.meet();
}

// Multiplies the columns `kept` of c, r x m, with an upper triangular k x k matrix.
__device__ inline void multiply_upper(Hands hands, const double* c, u32 r, u32 m, const u32* kept, u32 k,
                                      const double* upper, double* turned) {
    for (u32 e = hands.mine; e < r * k; e += hands.all) {
        u32 row = e / k, j = e % k;
        double sum = 0;
#pragma unroll 4
        for (u32 i = 0; i <= j; i++)
            sum = fused(c[row * m + (kept ? kept[i] : i)], upper[i * k + j], sum);
        turned[e] = sum;
    }
    hands.meet();
}

// Subtracts C^T C from the upper triangle of `gram`, m x m; C: r x m.
__device__ inline void reduce_gram(Hands hands, double* gram, u32 m, const double* c, u32 r) {
    for (u32 e = hands.mine; e < m * m; e += hands.all) {
        u32 i = e / m, j = e % m;
        if (j < i)
            continue;
        double sum = gram[e];
#pragma unroll 4
        for (u32 row = 0; row < r; row++)
            sum = fused(-c[row * m + i], c[row * m + j], sum);
        gram[e] = sum;
    }
    hands.meet();
}
