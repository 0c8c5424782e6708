// Y = W X of up to eight samples, for every member of an ensemble, and the rest of a layer on the way up:
// dense/multiply.cuh.
//
// Bytes: W once (4, 8 or 2 a weight); X, P ld numbers, once for every block from the second-level
// cache. Flops: 2 P a weight. Bound by memory.
//
// A warp has four rows, all samples, and each `slices`-th piece of the columns: its lanes walk along the rows
// by 16 bytes (bf16 in f64: 8) and add up their sums by exchanges that halve them, always in the same order;
// the sums of a row's slices are then added up in order.
//
// Launch: 256 threads; grid (m over the rows of a block, members); see src/backend/cuda/grid.rs.
//
// Registers leave room for two blocks on a multiprocessor, for one with S = 8 beside numbers in f64 or weights in
// bf16.
//
// budget: multiply_f32_1 registers 48, shared 128
// budget: multiply_f32_4 registers 96, shared 512
// budget: multiply_f32_8 registers 128, shared 1024
// budget: multiply_f64_1 registers 56, shared 256
// budget: multiply_f64_4 registers 128, shared 1024
// budget: multiply_f64_8 registers 160, shared 2048
// budget: multiply_half_f32_1 registers 56, shared 128
// budget: multiply_half_f32_4 registers 128, shared 512
// budget: multiply_half_f32_8 registers 192, shared 1024
// budget: multiply_half_f64_1 registers 72, shared 256
// budget: multiply_half_f64_4 registers 128, shared 1024
// budget: multiply_half_f64_8 registers 224, shared 2048
//
// Bytes from the second-level cache and wavefronts of shared memory, L1 and exchanges, a weight:
// traffic: multiply_f32_1 at n 512, P 1: l2 4.62, wavefronts 0.056
// traffic: multiply_f32_4 at n 512, P 4: l2 6.22, wavefronts 0.104
// traffic: multiply_f32_8 at n 512, P 8: l2 6.32, wavefronts 0.135
#include "dense/multiply.cuh"
#include "shared/warp.cuh"

// Rows that one warp has in registers.
constexpr int ROWS = 4;

// Adds rows of W times columns of X to acc, of each `slices`-th piece of the columns. Rows and samples beyond
// the last repeat the last one.
template <class Real, class Stored, int S>
__device__ inline void add_product(const Stored* w, u32 row, u32 rows, const Real* x, u32 samples, u32 ld,
                                   u32 columns, u32 slice, u32 slices, Real (&acc)[ROWS][S]) {
    // Weights in bf16 beside numbers in f64 (a reference) are loaded by 8 bytes: 16 would take 96 registers.
    constexpr int N = sizeof(Real) > 2 * sizeof(Stored) && sizeof(Real) == 8 ? 4 : LANES<Stored>;
    // Not unrolled: the registers that are left are for other warps, which hide the waits for memory.
#pragma unroll 1
    for (u32 c = (slice * 32 + threadIdx.x % 32) * N; c < columns; c += slices * 32 * N) {
        Real a[ROWS][N];
#pragma unroll
        for (int r = 0; r < ROWS; r++)
            load(w + (u64)min(row + r, rows - 1) * ld + c, a[r]);
#pragma unroll
        for (int s = 0; s < S; s++) {
            Real b[N];
            load(x + (u64)min((u32)s, samples - 1) * ld + c, b);
#pragma unroll
            for (int r = 0; r < ROWS; r++)
#pragma unroll
                for (int i = 0; i < N; i++)
                    acc[r][s] = fused(a[r][i], b[i], acc[r][s]);
        }
    }
}

template <class Real, class Stored, int S> __device__ inline void multiply(const Multiply& args) {
    constexpr int V = ROWS * S;
    __shared__ Real sums[WARPS][V];
    u32 member = blockIdx.y, warp = threadIdx.x / 32, lane = threadIdx.x % 32;
    u32 slices = args.slices, groups = WARPS / slices;
    u32 first = blockIdx.x * groups * ROWS, row = first + warp / slices * ROWS;
    Real acc[ROWS][S] = {};
    if (row < args.rows) {
        const Stored* w = (const Stored*)args.w + member * args.w_stride;
        const Real* x = (const Real*)args.x + member * args.x_stride;
        add_product<Real, Stored, S>(w, row, args.rows, x, args.samples, args.ld, args.columns, warp % slices,
                                     slices, acc);
        if (args.factor != 1.0) {
#pragma unroll
            for (int r = 0; r < ROWS; r++)
#pragma unroll
                for (int s = 0; s < S; s++)
                    acc[r][s] *= (Real)args.factor;
        }
        if (args.w2) {
            const Real* w2 = (const Real*)args.w2 + member * args.w2_stride;
            const Real* x2 = (const Real*)args.x2 + member * args.x2_stride;
            add_product<Real, Real, S>(w2, row, args.rows, x2, args.samples, args.ld2, args.columns2,
                                       warp % slices, slices, acc);
        }
    }
    Real flat[V];
#pragma unroll
    for (int v = 0; v < V; v++)
        flat[v] = acc[v % ROWS][v / ROWS];
    Real sum = sum_of_lanes<V, 16>(flat);
    if (lane % (32 / V) == 0)
        sums[warp][lane / (32 / V)] = sum;
    __syncthreads();
    // Threads side by side have rows side by side.
    u32 rows = groups * ROWS;
    for (u32 out = threadIdx.x; out < rows * S; out += blockDim.x) {
        u32 r = out % rows, p = out / rows;
        if (first + r >= args.rows || p >= args.samples)
            continue;
        Real y = 0;
        for (u32 slice = 0; slice < slices; slice++)
            y += sums[r / ROWS * slices + slice][p * ROWS + r % ROWS];
        leave(args, member, first + r, p, y);
    }
}

#define MULTIPLY(NAME, REAL, STORED, S)                                                            \
    extern "C" __global__ void __launch_bounds__(32 * WARPS, S == 8 ? 1 : 2) NAME(const Multiply args) {             \
        multiply<REAL, STORED, S>(args);                                                             \
    }
MULTIPLY(multiply_f32_1, float, float, 1)
MULTIPLY(multiply_f32_4, float, float, 4)
MULTIPLY(multiply_f32_8, float, float, 8)
MULTIPLY(multiply_f64_1, double, double, 1)
MULTIPLY(multiply_f64_4, double, double, 4)
MULTIPLY(multiply_f64_8, double, double, 8)
MULTIPLY(multiply_half_f32_1, float, bf16, 1)
MULTIPLY(multiply_half_f32_4, float, bf16, 4)
MULTIPLY(multiply_half_f32_8, float, bf16, 8)
MULTIPLY(multiply_half_f64_1, double, bf16, 1)
MULTIPLY(multiply_half_f64_4, double, bf16, 4)
MULTIPLY(multiply_half_f64_8, double, bf16, 8)
