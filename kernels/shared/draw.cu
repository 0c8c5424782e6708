// Gaussian matrices of every member, drawn from their noise addresses to the same bits as on the CPU:
//
//   W_ij = r^(-1/2) sum over the r fine layers of the layer of normals(seed, i div 4, j, fine layer)
//
// summed in ascending order in the format of W (f32 or f64; bf16 is rounded from it). With a `minuend` W' the
// difference W' - W is written instead.
//
// W: m x n, entry (i, j) at i row_stride + j column_stride: weights lie row by row, V column by column.
//
// Bytes: W written once (with a `minuend`, W' read once). About 120 integer and 60 floating point
// instructions for four normals.
//
// A thread has four rows of a column. Launch: 256 threads; grid (m over 4, n over 256, members).
//
// budget: draw_f32 registers 48, shared 0
// budget: draw_f64 registers 48, shared 0
// budget: draw_half_f32 registers 48, shared 0
// budget: draw_half_f64 registers 48, shared 0
#include "shared/philox.cuh"

/// Arguments of `draw`: which Gaussian matrices, and where they go.
struct Draw {
    /// W of the first member, m x n: where the normals are written.
    void* out;
    /// Numbers from one member's matrix to the next member's.
    u64 stride;
    /// Seed of the noise of each member.
    const u64* seeds;
    /// W' of the first member, laid out as W, from which the normals are subtracted; or null.
    const void* minuend;
    /// The factor r^(-1/2) on the sum over r fine layers.
    double scale;
    /// Numbers from row i of W to row i + 1.
    u32 row_stride;
    /// Numbers from column j of W to column j + 1.
    u32 column_stride;
    /// Rows m of W.
    u32 rows;
    /// Columns n of W.
    u32 columns;
    /// Fine layers r that make up the layer.
    u32 fine_layers;
    /// The first of these fine layers, as noise addresses count them.
    u32 first_fine_layer;
    /// Purpose, step and direction of the noise address, in one number.
    u32 tag;
    /// Zero; fills the structure up to whole 8 bytes.
    u32 padding;
};

__device__ inline void put(float* to, float x) { *to = x; }
__device__ inline void put(double* to, double x) { *to = x; }
__device__ inline void put(bf16* to, float x) { *to = to_bf16(x); }
__device__ inline void put(bf16* to, double x) { *to = to_bf16((float)x); }

template <class Real, class Stored> __device__ inline void draw(const Draw& args) {
    u32 quad = blockIdx.x, j = blockIdx.y * blockDim.x + threadIdx.x, member = blockIdx.z;
    if (j >= args.columns)
        return;
    Real sums[4];
    for (u32 fine = 0; fine < args.fine_layers; fine++) {
        float4 z = normals(args.seeds[member], quad, j, args.first_fine_layer + fine, args.tag);
        float four[4] = {z.x, z.y, z.z, z.w};
#pragma unroll
        for (int r = 0; r < 4; r++)
            sums[r] = fine == 0 ? (Real)four[r] : sums[r] + (Real)four[r];
    }
#pragma unroll
    for (int r = 0; r < 4; r++) {
        u32 i = 4 * quad + r;
        if (i >= args.rows)
            continue;
        Real w = args.fine_layers > 1 ? sums[r] * (Real)args.scale : sums[r];
        u64 at = member * args.stride + (u64)i * args.row_stride + (u64)j * args.column_stride;
        if (args.minuend)
            w = ((const Real*)args.minuend)[at] - w;
        put((Stored*)args.out + at, w);
    }
}
extern "C" __global__ void __launch_bounds__(256) draw_f32(const Draw args) { draw<float, float>(args); }
extern "C" __global__ void __launch_bounds__(256) draw_f64(const Draw args) {
    draw<double, double>(args);
}
extern "C" __global__ void __launch_bounds__(256) draw_half_f32(const Draw args) {
    draw<float, bf16>(args);
}
extern "C" __global__ void __launch_bounds__(256) draw_half_f64(const Draw args) {
    draw<double, bf16>(args);
}
