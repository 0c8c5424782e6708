// Y = W X of more than eight samples, for every member of an ensemble, and the rest of a layer on the way up:
// dense/multiply.cuh.
//
// Bytes: W once for every 16, 32 or 64 samples, X once for every 16 or 32 rows, both from the second-level
// cache. Flops: 2 P a weight. Bound by fused multiply-adds from P = 64 on, by memory below.
//
// A block has a tile of Y: 4 R rows and 8 S samples. Each of its warps goes through every eighth piece of the
// columns, 32 bytes of Real wide, which it copies for itself into shared memory some pieces ahead; a lane has R
// rows and S samples of the tile in registers. In the end the eight sums of an entry are added up in order.
//
// In shared memory, a piece of a row has two parts of 16 bytes, which lie the other way round in every other
// four rows: so that what lanes read together lies in different banks.
//
// Launch: 256 threads; grid (m over 4 R, P over 8 S, members); shared memory as in src/backend/cuda/grid.rs.
//
// Registers leave room for two blocks on a multiprocessor in f32, for one in f64 and with 64 accumulators.
//
// budget: multiply_tiles_f32_16x16 registers 88, shared 0
// budget: multiply_tiles_f32_16x32 registers 128, shared 0
// budget: multiply_tiles_f32_16x64 registers 128, shared 0
// budget: multiply_tiles_f32_32x16 registers 128, shared 0
// budget: multiply_tiles_f32_32x32 registers 128, shared 0
// budget: multiply_tiles_f32_32x64 registers 168, shared 0
// budget: multiply_tiles_f64_16x16 registers 96, shared 0
// budget: multiply_tiles_f64_16x32 registers 128, shared 0
// budget: multiply_tiles_f64_16x64 registers 152, shared 0
// budget: multiply_tiles_f64_32x16 registers 128, shared 0
// budget: multiply_tiles_f64_32x32 registers 168, shared 0
// budget: multiply_tiles_f64_32x64 registers 224, shared 0
// budget: multiply_tiles_half_f32_16x16 registers 80, shared 0
// budget: multiply_tiles_half_f32_16x32 registers 128, shared 0
// budget: multiply_tiles_half_f32_16x64 registers 128, shared 0
// budget: multiply_tiles_half_f32_32x16 registers 96, shared 0
// budget: multiply_tiles_half_f32_32x32 registers 128, shared 0
// budget: multiply_tiles_half_f32_32x64 registers 168, shared 0
// budget: multiply_tiles_half_f64_16x16 registers 96, shared 0
// budget: multiply_tiles_half_f64_16x32 registers 128, shared 0
// budget: multiply_tiles_half_f64_16x64 registers 152, shared 0
// budget: multiply_tiles_half_f64_32x16 registers 128, shared 0
// budget: multiply_tiles_half_f64_32x32 registers 176, shared 0
// budget: multiply_tiles_half_f64_32x64 registers 224, shared 0
#include "dense/multiply.cuh"
#include "shared/async.cuh"

// Bytes of a row of W and of a sample of X in one piece, and of one of its parts.
constexpr int PIECE = 32;
constexpr int PART = 16;
// Shared memory of a block.
constexpr int MEMORY = 48 << 10;
// Lanes of a warp side by side along samples; the others along rows.
constexpr int ALONG = 8;

// Where a part of a row lies in a piece.
__device__ inline u32 place(u32 row, u32 part) { return row * PIECE + (part ^ row / 4 % 2) * PART; }

// Copies one warp's pieces of some rows of a matrix.
template <class Stored, class Real, int ROWS> struct Pieces {
    // Copies that each lane does, of so many bytes: two parts a row, or one of half the width. An enumeration: of
    // static members, every kernel would have copies in the device's memory.
    enum : int {
        PARTS = sizeof(Stored) == sizeof(Real) ? 2 : 1,
        COPIES = (ROWS * PARTS + 31) / 32,
        BYTES = PIECE / PARTS * (int)sizeof(Stored) / (int)sizeof(Real),
    };
    const Stored* from[COPIES];

    // Rows beyond the last repeat the last one.
    __device__ inline Pieces(const Stored* matrix, u32 first, u32 rows, u32 ld, u32 column) {
#pragma unroll
        for (int i = 0; i < COPIES; i++) {
            u32 unit = i * 32 + threadIdx.x % 32;
            u32 row = min(first + unit / PARTS, rows - 1);
            from[i] = matrix + (u64)row * ld + column + unit % PARTS * (BYTES / sizeof(Stored));
        }
    }

    // Begins to copy the next piece, and goes on by `columns`.
    __device__ inline void copy(unsigned char* to, u32 columns) {
#pragma unroll
        for (int i = 0; i < COPIES; i++) {
            u32 unit = i * 32 + threadIdx.x % 32;
            if (ROWS * PARTS % 32 == 0 || unit < ROWS * PARTS)
                copy_async<BYTES>(to + (PARTS == 2 ? place(unit / 2, unit % 2) : unit * BYTES), from[i]);
            from[i] += columns;
        }
    }
};

// Adds rows of W times columns of X to acc, of this warp's pieces.
template <class Real, class Stored, int R, int S>
__device__ inline void add_product(const Stored* w, u32 first_row, u32 rows, const Real* x, u32 first_sample,
                                   u32 samples, u32 ld, u32 columns, unsigned char* memory, Real (&acc)[R][S]) {
    constexpr int N = PART / sizeof(Real), TILE = 4 * R, SAMPLES = ALONG * S;
    constexpr int STAGE = (TILE + SAMPLES) * PIECE, ALL = MEMORY / WARPS / STAGE, STAGES = ALL < 4 ? ALL : 4;
    static_assert(STAGES >= 2, "copies run ahead");
    constexpr bool WHOLE = sizeof(Stored) == sizeof(Real);
    u32 warp = threadIdx.x / 32, lane = threadIdx.x % 32;
    constexpr u32 COLUMNS = PIECE / sizeof(Real);
    u32 pieces = columns / COLUMNS, mine = (pieces + WARPS - 1 - warp) / WARPS;
    Pieces<Stored, Real, TILE> of_w(w, first_row, rows, ld, warp * COLUMNS);
    Pieces<Real, Real, SAMPLES> of_x(x, first_sample, samples, ld, warp * COLUMNS);
    auto begin = [&](u32 piece) {
        if (piece < mine) {
            unsigned char* to = memory + piece % STAGES * STAGE;
            of_w.copy(to, WARPS * COLUMNS);
            of_x.copy(to + TILE * PIECE, WARPS * COLUMNS);
        }
        end_group();
    };
#pragma unroll
    for (int piece = 0; piece < STAGES - 1; piece++)
        begin(piece);
#pragma unroll 1
    for (u32 piece = 0; piece < mine; piece++) {
        wait_for_groups<STAGES - 2>();
        // What all lanes have copied is there, and what they read before may be overwritten.
        __syncwarp();
        begin(piece + STAGES - 1);
        const unsigned char* here = memory + piece % STAGES * STAGE;
        // One part after the other where tiles are large: both together take more registers than there are.
#pragma unroll(R * S >= 32 ? 1 : 2)
        for (int part = 0; part < 2; part++) {
            Real a[R][N];
#pragma unroll
            for (int r = 0; r < R; r++) {
                u32 row = r * 4 + lane / ALONG;
                u32 at = WHOLE ? place(row, part) : row * (u32)(PIECE * sizeof(Stored) / sizeof(Real)) + part * (u32)(N * sizeof(Stored));
                load((const Stored*)(here + at), a[r]);
            }
#pragma unroll
            for (int s = 0; s < S; s++) {
                Real b[N];
                load((const Real*)(here + TILE * PIECE + place(s * ALONG + lane % ALONG, part)), b);
#pragma unroll
                for (int r = 0; r < R; r++)
#pragma unroll
                    for (int i = 0; i < N; i++)
                        acc[r][s] = fused(a[r][i], b[i], acc[r][s]);
            }
        }
    }
    wait_for_groups<0>();
    __syncwarp();
}

template <class Real, class Stored, int R, int S> __device__ inline void multiply(const Multiply& args) {
    extern __shared__ __align__(16) unsigned char shared[];
    constexpr int TILE = 4 * R;
    u32 member = blockIdx.z, warp = threadIdx.x / 32, lane = threadIdx.x % 32;
    u32 row = blockIdx.x * TILE, sample = blockIdx.y * ALONG * S;
    unsigned char* memory = shared + warp * (MEMORY / WARPS);
    Real acc[R][S] = {};
    const Stored* w = (const Stored*)args.w + member * args.w_stride;
    const Real* x = (const Real*)args.x + member * args.x_stride;
    add_product<Real, Stored, R, S>(w, row, args.rows, x, sample, args.samples, args.ld, args.columns, memory, acc);
    if (args.factor != 1.0) {
#pragma unroll
        for (int r = 0; r < R; r++)
#pragma unroll
            for (int s = 0; s < S; s++)
                acc[r][s] *= (Real)args.factor;
    }
    if (args.w2) {
        const Real* w2 = (const Real*)args.w2 + member * args.w2_stride;
        const Real* x2 = (const Real*)args.x2 + member * args.x2_stride;
        add_product<Real, Real, R, S>(w2, row, args.rows, x2, sample, args.samples, args.ld2, args.columns2, memory,
                                      acc);
    }
    // The sums of eight samples at a time, of all warps; rows are padded so that stores meet no bank twice.
    constexpr int PITCH = TILE + 4;
    static_assert(WARPS * ALONG * PITCH * sizeof(Real) <= MEMORY, "the sums have room");
    Real* sums = (Real*)shared;
    u32 own = warp * ALONG * PITCH + lane % ALONG * PITCH + lane / ALONG;
#pragma unroll
    for (int s = 0; s < S; s++) {
        __syncthreads();
#pragma unroll
        for (int r = 0; r < R; r++)
            sums[own + r * 4] = acc[r][s];
        __syncthreads();
        u32 i = threadIdx.x % TILE, p = threadIdx.x / TILE;
        if (p >= ALONG || row + i >= args.rows || sample + s * ALONG + p >= args.samples)
            continue;
        Real y = 0;
#pragma unroll
        for (int of = 0; of < WARPS; of++)
            y += sums[(of * ALONG + p) * PITCH + i];
        leave(args, member, row + i, sample + s * ALONG + p, y);
    }
}

#define MULTIPLY(NAME, REAL, STORED, R, S)                                                         \
    extern "C" __global__ void __launch_bounds__(32 * WARPS, sizeof(REAL) == 8 || R * S == 64 ? 1 : 2) \
        NAME(const Multiply args) {                                                                   \
        multiply<REAL, STORED, R, S>(args);                                                          \
    }
MULTIPLY(multiply_tiles_f32_16x16, float, float, 4, 2)
MULTIPLY(multiply_tiles_f32_16x32, float, float, 4, 4)
MULTIPLY(multiply_tiles_f32_16x64, float, float, 4, 8)
MULTIPLY(multiply_tiles_f32_32x16, float, float, 8, 2)
MULTIPLY(multiply_tiles_f32_32x32, float, float, 8, 4)
MULTIPLY(multiply_tiles_f32_32x64, float, float, 8, 8)
MULTIPLY(multiply_tiles_f64_16x16, double, double, 4, 2)
MULTIPLY(multiply_tiles_f64_16x32, double, double, 4, 4)
MULTIPLY(multiply_tiles_f64_16x64, double, double, 4, 8)
MULTIPLY(multiply_tiles_f64_32x16, double, double, 8, 2)
MULTIPLY(multiply_tiles_f64_32x32, double, double, 8, 4)
MULTIPLY(multiply_tiles_f64_32x64, double, double, 8, 8)
MULTIPLY(multiply_tiles_half_f32_16x16, float, bf16, 4, 2)
MULTIPLY(multiply_tiles_half_f32_16x32, float, bf16, 4, 4)
MULTIPLY(multiply_tiles_half_f32_16x64, float, bf16, 4, 8)
MULTIPLY(multiply_tiles_half_f32_32x16, float, bf16, 8, 2)
MULTIPLY(multiply_tiles_half_f32_32x32, float, bf16, 8, 4)
MULTIPLY(multiply_tiles_half_f32_32x64, float, bf16, 8, 8)
MULTIPLY(multiply_tiles_half_f64_16x16, double, bf16, 4, 2)
MULTIPLY(multiply_tiles_half_f64_16x32, double, bf16, 4, 4)
MULTIPLY(multiply_tiles_half_f64_16x64, double, bf16, 4, 8)
MULTIPLY(multiply_tiles_half_f64_32x16, double, bf16, 8, 2)
MULTIPLY(multiply_tiles_half_f64_32x32, double, bf16, 8, 4)
MULTIPLY(multiply_tiles_half_f64_32x64, double, bf16, 8, 8)
