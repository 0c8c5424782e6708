// How a pass moves W, which the conditional engine has as a W(0) + QB M QF^T (src/backend/coefficients.rs);
// and the rows of vectors that are kept.
//
//   drift     N <- mu N + C_B diag(k) C_F^T - lambda M,  M <- M + eta N
//             b <- mu b + lambda a,                      a <- a - eta b
//   leading   the first rows of vectors, in f32
//
// C_F, C_B: coefficients of a pass, `rows` x P a layer; M and N: capacity x capacity, zero where there
// was no column yet. Flops: 2 r^2 P a layer, negligible beside a sweep.
//
// Launch: 256 threads; drift (L, members), leading (P, rows over 256, members).
//
// budget: drift registers 64, shared 0
// budget: leading_f32 registers 32, shared 0
// budget: leading_f64 registers 32, shared 0
#include "conditional/layer_state.cuh"
#include "shared/step.cuh"

/// Arguments of `drift`: the step of M in all layers of all members, `[layer][member]`.
struct Drift {
    /// What is known of each layer of each member.
    LayerState* states;
    /// M, capacity x capacity a layer and member.
    double* m;
    /// N, the velocity of M, laid out as M; null without momentum.
    double* velocity;
    /// C_F of this pass, `rows` x P a layer and member.
    const double* forward;
    /// C_B of this pass, `rows` x P a layer and member.
    const double* backward;
    /// P factors k_p of each member.
    const double* k;
    /// What changes from step to step.
    const StepParameters* parameters;
    /// Columns that a side of a layer has room for.
    u32 capacity;
    /// Rows of C_F and C_B that there is room for.
    u32 rows;
    /// Samples P of the batch.
    u32 samples;
    /// Zero; fills the structure up to whole 8 bytes.
    u32 padding;
};

extern "C" __global__ void __launch_bounds__(256) drift(const Drift args) {
    double rate = args.parameters->rates[1], momentum = args.parameters->momentum;
    double decay = args.parameters->weight_decay;
    if (rate == 0.0)
        return;
    u32 member = blockIdx.y, capacity = args.capacity;
    u64 index = (u64)blockIdx.x * gridDim.y + member, square = index * capacity * capacity;
    LayerState& state = args.states[index];
    u32 columns = state.rank[0], entries = state.rank[1] * columns;
    double *m = args.m + square, *n = args.velocity ? args.velocity + square : nullptr;
    const double* forward = args.forward + index * args.rows * args.samples;
    const double* backward = args.backward + index * args.rows * args.samples;
    const double* k = args.k + (u64)member * args.samples;
    for (u32 e = threadIdx.x; e < entries; e += blockDim.x) {
        u32 b = e / columns, f = e % columns;
        double sum = 0;
        for (u32 p = 0; p < args.samples; p++)
            sum = fused(backward[b * args.samples + p] * k[p], forward[f * args.samples + p], sum);
        u64 at = (u64)b * capacity + f;
        sum = fused(-decay, m[at], sum);
        if (n) {
            sum = fused(momentum, n[at], sum);
            n[at] = sum;
        }
        m[at] = fused(rate, sum, m[at]);
    }
    __syncthreads();
    if (threadIdx.x > 0)
        return;
    state.drifted[0] = columns, state.drifted[1] = state.rank[1];
    state.fading = momentum * state.fading + decay * state.kept;
    state.kept -= rate * state.fading;
}

/// Arguments of `leading`: the first rows of vectors of all members, which are kept in f32.
struct LeadingRows {
    /// The vectors, P x ld a member.
    const void* x;
    /// P x rows of the first member: where the rows are written.
    float* out;
    /// Numbers from one member's rows to the next member's.
    u64 stride;
    /// Rows of each vector that are kept.
    u32 rows;
    /// Numbers of one vector, padding included.
    u32 ld;
};

template <class Real> __device__ inline void leading(const LeadingRows& args) {
    u32 p = blockIdx.x, i = blockIdx.y * blockDim.x + threadIdx.x, member = blockIdx.z;
    if (i < args.rows)
        args.out[member * args.stride + (u64)p * args.rows + i] =
            (float)((const Real*)args.x)[((u64)member * gridDim.x + p) * args.ld + i];
}
extern "C" __global__ void __launch_bounds__(256) leading_f32(const LeadingRows args) {
    leading<float>(args);
}
extern "C" __global__ void __launch_bounds__(256) leading_f64(const LeadingRows args) {
    leading<double>(args);
}
