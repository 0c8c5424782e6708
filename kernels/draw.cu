// Gaussian matrices of every member, from their noise addresses, to the bit as on the CPU:
//
//   W_ij = r^(-1/2) sum over the r fine layers of the layer of normals(seed, i div 4, j, fine layer)
//
// in ascending order in the format of W (f32, f64; bf16 is rounded from it); with `minus` that minus
// given numbers, the other way round: W' - W.
//
// W: m x n, entry (i, j) at i row_stride + j column_stride: weights lie row by row, V column by column.
//
// Bytes: W written once (with `minus`, W' read once). About 120 integer and 60 floating point
// instructions for four normals.
//
// A thread has four rows of a column. Launch: 256 threads; grid (n over 256, m over 4, members).
//
// budget: draw_f32 registers 48, shared 0
// budget: draw_f64 registers 48, shared 0
// budget: draw_half_f32 registers 48, shared 0
// budget: draw_half_f64 registers 48, shared 0
#include "philox.cuh"

struct Draw {
    void* to;
    // From one member's matrix to the next's.
    u64 stride;
    // Of each member.
    const u64* seeds;
    // m x n, laid out as W, or null
    const void* minus;
    // r^(-1/2)
    double scale;
    u32 row_stride, column_stride;
    u32 rows, columns;
    // r, and the first fine layer
    u32 fine, layer;
    // Purpose, step and direction.
    u32 tag;
    // 0
    u32 padding;
};
static_assert(sizeof(Draw) == 72, "as in src/backend/cuda/arguments.rs");

__device__ inline void put(float* to, float x) { *to = x; }
__device__ inline void put(double* to, double x) { *to = x; }
__device__ inline void put(bf16* to, float x) { *to = to_bf16(x); }
__device__ inline void put(bf16* to, double x) { *to = to_bf16((float)x); }

template <class Real, class Stored> __device__ inline void draw(const Draw& of) {
    u32 j = blockIdx.x * blockDim.x + threadIdx.x, quad = blockIdx.y, member = blockIdx.z;
    if (j >= of.columns)
        return;
    Real sums[4];
    for (u32 fine = 0; fine < of.fine; fine++) {
        float4 z = normals(of.seeds[member], quad, j, of.layer + fine, of.tag);
        float four[4] = {z.x, z.y, z.z, z.w};
#pragma unroll
        for (int r = 0; r < 4; r++)
            sums[r] = fine == 0 ? (Real)four[r] : sums[r] + (Real)four[r];
    }
#pragma unroll
    for (int r = 0; r < 4; r++) {
        u32 i = 4 * quad + r;
        if (i >= of.rows)
            continue;
        Real w = of.fine > 1 ? sums[r] * (Real)of.scale : sums[r];
        u64 at = member * of.stride + (u64)i * of.row_stride + (u64)j * of.column_stride;
        if (of.minus)
            w = ((const Real*)of.minus)[at] - w;
        put((Stored*)of.to + at, w);
    }
}
extern "C" __global__ void __launch_bounds__(256) draw_f32(const Draw of) { draw<float, float>(of); }
extern "C" __global__ void __launch_bounds__(256) draw_f64(const Draw of) {
    draw<double, double>(of);
}
extern "C" __global__ void __launch_bounds__(256) draw_half_f32(const Draw of) {
    draw<float, bf16>(of);
}
extern "C" __global__ void __launch_bounds__(256) draw_half_f64(const Draw of) {
    draw<double, bf16>(of);
}
