// One update of trained numbers by a rule that looks at every single number: Adam, or the sign.
//
//   S   sums of this step over its samples, which dense/transpose.cuh and the readout of
//       shared/output_layer.cu have gathered
//
//   Adam   m <- b1 m + (1 - b1) S,  v <- b2 v + (1 - b2) S^2,   d = m/(1 - b1^k) / (sqrt(v/(1 - b2^k)) + eps)
//   sign   m <- mu m + S,                                       d = -1, 0 or 1 as m is; NaN where m is NaN
//
//   W <- (1 - eta lambda) W - eta q d,   and W' likewise where two matrices follow the same gradients
//
// A thread has 16 bytes of each. Computed in f64, kept in the format of W. Bytes: S, m, v and W read, m, v and W
// written (f32 28 a number, f64 56; the sign 20 and 40 with momentum, 12 and 24 without). Bound by memory where a
// device is fast in f64: two divisions and a root a number.
//
// Launch: 256 threads; grid (numbers of a member over 256 LANES<Real>, 1, members).
//
// budget: entrywise_f32 registers 64, shared 0
// budget: entrywise_f64 registers 64, shared 0
#include "shared/step.cuh"

/// Arguments of `entrywise`: one update of a group of weights, number by number. Members lie one after the
/// other without gaps, and all arrays are laid out as W.
struct Entrywise {
    /// W of the first member, which moves.
    void* w;
    /// W' of the first member, which moves by the same; or null.
    void* w2;
    /// Sums S of this step over its samples.
    const void* sum;
    /// m: the running mean of S, or what momentum makes of it; null for the sign without momentum.
    void* mean;
    /// v: the running mean of S^2 of Adam; null: the rule is the sign.
    void* square;
    /// What changes from step to step.
    const StepParameters* parameters;
    /// The power of n and L on the gradient, q.
    double size;
    /// The shares b1 and b2 of m and v that an update of Adam keeps.
    double betas[2];
    /// What Adam adds to the root, eps.
    double epsilon;
    /// Momentum mu of the sign: the share of m that an update keeps.
    double momentum;
    /// Weight decay lambda: the share of the weights that an update with eta = 1 takes.
    double weight_decay;
    /// Numbers of one member, a multiple of four.
    u64 count;
    /// Whose learning rate W follows: 0 input, 1 hidden, 2 readout weights.
    u32 weight_group;
    /// Zero; fills the structure up to whole 8 bytes.
    u32 padding;
};

template <class Real> __device__ inline void entrywise(const Entrywise& args) {
    constexpr int N = LANES<Real>;
    double rate = args.parameters->rates[args.weight_group];
    u64 of_member = ((u64)blockIdx.x * blockDim.x + threadIdx.x) * N;
    if (of_member >= args.count || rate == 0.0)
        return;
    u64 at = blockIdx.z * args.count + of_member;
    double kept = 1.0 - rate * args.weight_decay, step = rate * args.size, d[N];
    Real sum[N], mean[N], square[N];
    load((const Real*)args.sum + at, sum);
    if (args.mean)
        load((const Real*)args.mean + at, mean);
    if (args.square)
        load((const Real*)args.square + at, square);
#pragma unroll
    for (int i = 0; i < N; i++) {
        double s = sum[i];
        if (args.square) {
            double m = fused(args.betas[0], (double)mean[i], (1.0 - args.betas[0]) * s);
            double v = fused(args.betas[1], (double)square[i], (1.0 - args.betas[1]) * s * s);
            mean[i] = (Real)m, square[i] = (Real)v;
            const double* corrections = args.parameters->corrections;
            d[i] = m / corrections[0] / (sqrt(v / corrections[1]) + args.epsilon);
        } else {
            double m = args.mean ? fused(args.momentum, (double)mean[i], s) : s;
            mean[i] = (Real)m;
            d[i] = m > 0.0 ? 1.0 : m < 0.0 ? -1.0 : m;
        }
    }
    if (args.mean)
        store((Real*)args.mean + at, mean);
    if (args.square)
        store((Real*)args.square + at, square);
#pragma unroll
    for (int of = 0; of < 2; of++) {
        Real* weights = (Real*)(of == 0 ? args.w : args.w2);
        if (!weights)
            continue;
        Real w[N];
        load(weights + at, w);
#pragma unroll
        for (int i = 0; i < N; i++)
            w[i] = (Real)fused(-step, d[i], kept * (double)w[i]);
        store(weights + at, w);
    }
}
extern "C" __global__ void __launch_bounds__(256) entrywise_f32(const Entrywise args) { entrywise<float>(args); }
extern "C" __global__ void __launch_bounds__(256) entrywise_f64(const Entrywise args) { entrywise<double>(args); }
