// The output layer: outputs, loss, the signal that goes back, and the step of V. Sums in f64.
//
//   read       f_po = scale sum_i V_io h_ip; many rows by several blocks, whose sums collect adds up
//   loss       chi_po = d loss / d f_po
//   signal     O = 1: g = V for every sample, which enters updates with k_p = chi_p;
//              O > 1: g_p = V chi_p, k_p = 1
//   readout    D_o = update sum_p chi_po h_p, and the step of V as in dense/transpose.cuh, or D_o itself
//   squares    sum of (y - y')^2, or of y^2
//
// V: O x ld, output by output; h: P x ld; f, chi, labels: P x O. Bytes: 4 P ld of h in f32, negligible
// beside a layer.
//
// Sums of a block: every thread adds up each 256th number, then halves are added to each other.
//
// Launch: 256 threads; read (P O, members, parts), collect (P O over 256, members), loss (1, members),
// signal (P, ld over 256, members), readout (O, ld over 256, members), squares (parts, members).
//
// budget: read_f32 registers 40, shared 2048
// budget: read_f64 registers 40, shared 2048
// budget: squares_f32 registers 40, shared 2048
// budget: squares_f64 registers 40, shared 2048
// budget: collect registers 40, shared 0
// budget: loss registers 64, shared 0
// budget: signal_f32 registers 40, shared 0
// budget: signal_f64 registers 40, shared 0
// budget: readout_f32 registers 64, shared 0
// budget: readout_f64 registers 64, shared 0
#include "shared/block.cuh"
#include "shared/step.cuh"

/// Arguments of `read`, `collect`, `loss`, `signal` and `readout`: the output layer of all members, which
/// lie one after the other without gaps.
struct OutputLayer {
    /// V, O x ld a member: the readout weights.
    void* v;
    /// Velocity of V, laid out as V, or where D is gathered; null without momentum.
    void* velocity;
    /// h_L, P x ld a member: the last hidden layer.
    const void* h;
    /// g_L, P x ld a member: the signal that enters the last hidden layer.
    void* g;
    /// Outputs f, P x O a member.
    double* f;
    /// Sums of f in parts, `[member][P][O][part]`; null: one block sums all rows.
    double* parts;
    /// chi = d loss / d f, P x O a member.
    double* chi;
    /// Labels y, P x O a member.
    const double* labels;
    /// P factors k_p of each member, with which g enters updates.
    double* k;
    /// Where each member first left the finite numbers; null: `read` notes nothing.
    u64* first_nonfinite;
    /// What changes from step to step.
    const StepParameters* parameters;
    /// The power of n on the outputs f.
    double scale;
    /// The power of n and L on the gradient D of V.
    double update;
    /// Rows n of h_L.
    u32 rows;
    /// Numbers of one sample of h and g and of one output of V, padding included.
    u32 ld;
    /// Samples P of the batch.
    u32 samples;
    /// Outputs O of the network.
    u32 outputs;
    /// The loss: 0 squared error, 1 cross-entropy.
    u32 loss;
    /// The place of the outputs in a pass, noted where f is not finite.
    u32 place_f;
    /// The place of g_L in a pass, noted where the signal is not finite.
    u32 place_g;
    /// Places of a whole pass.
    u32 places;
    /// Parts of each sum of f.
    u32 part_count;
    /// 1: D is written to where a velocity would be, and V stays; else 0.
    u32 gathers;
};

// Writes the output f of a sum, entry e of those of all members, and notes if it is not finite.
__device__ inline void write_output(const OutputLayer& args, u32 member, u64 e, double sum) {
    double f = args.scale * sum;
    args.f[e] = f;
    if (args.first_nonfinite && !finite(f))
        note_nonfinite(args.first_nonfinite + member, args.parameters, args.place_f, args.places);
}

template <class Real> __device__ inline void read(const OutputLayer& args) {
    u32 p = blockIdx.x / args.outputs, o = blockIdx.x % args.outputs, member = blockIdx.y;
    u32 height = (args.rows + gridDim.z - 1) / gridDim.z, begin = blockIdx.z * height;
    const Real* v = (const Real*)args.v + ((u64)member * args.outputs + o) * args.ld;
    const Real* h = (const Real*)args.h + ((u64)member * args.samples + p) * args.ld;
    double sum = 0;
    for (u32 i = begin + threadIdx.x; i < min(args.rows, begin + height); i += THREADS)
        sum = fused((double)v[i], (double)h[i], sum);
    sum = sum_of_block(sum);
    u64 e = (u64)member * gridDim.x + blockIdx.x;
    if (threadIdx.x > 0)
        return;
    if (args.parts)
        args.parts[e * gridDim.z + blockIdx.z] = sum;
    else
        write_output(args, member, e, sum);
}
extern "C" __global__ void __launch_bounds__(THREADS) read_f32(const OutputLayer args) { read<float>(args); }
extern "C" __global__ void __launch_bounds__(THREADS) read_f64(const OutputLayer args) { read<double>(args); }

// A thread has one output of one sample.
extern "C" __global__ void __launch_bounds__(THREADS) collect(const OutputLayer args) {
    u32 outputs = args.samples * args.outputs, e = blockIdx.x * THREADS + threadIdx.x;
    if (e >= outputs)
        return;
    u64 entry = (u64)blockIdx.y * outputs + e;
    double sum = 0;
    for (u32 part = 0; part < args.part_count; part++)
        sum += args.parts[entry * args.part_count + part];
    write_output(args, blockIdx.y, entry, sum);
}

// A thread has one sample.
extern "C" __global__ void __launch_bounds__(THREADS, 2) loss(const OutputLayer args) {
    u64 member = blockIdx.y;
    u32 outputs = args.outputs;
    for (u32 p = threadIdx.x; p < args.samples; p += THREADS) {
        u64 at = (member * args.samples + p) * outputs;
        const double *f = args.f + at, *y = args.labels + at;
        double* chi = args.chi + at;
        if (args.loss == 0) {
            for (u32 o = 0; o < outputs; o++)
                chi[o] = (f[o] - y[o]) / args.samples;
            continue;
        }
        // (softmax(f)_o sum y - y_o)/P; the largest f is subtracted, so that no power overflows.
        double top = f[0], powers = 0, labels = 0;
        for (u32 o = 1; o < outputs; o++)
            top = f[o] > top ? f[o] : top;
        for (u32 o = 0; o < outputs; o++) {
            powers += exp(f[o] - top);
            labels += y[o];
        }
        for (u32 o = 0; o < outputs; o++)
            chi[o] = (exp(f[o] - top) * (labels / powers) - y[o]) / args.samples;
    }
}

template <class Real> __device__ inline void signal(const OutputLayer& args) {
    u32 p = blockIdx.x, i = blockIdx.y * THREADS + threadIdx.x, member = blockIdx.z;
    const double* chi = args.chi + ((u64)member * args.samples + p) * args.outputs;
    if (i == 0)
        args.k[(u64)member * args.samples + p] = args.outputs == 1 ? chi[0] : 1.0;
    if (i >= args.rows)
        return;
    const Real* v = (const Real*)args.v + (u64)member * args.outputs * args.ld + i;
    Real g;
    if (args.outputs == 1) {
        g = v[0];
    } else {
        double sum = 0;
        for (u32 o = 0; o < args.outputs; o++)
            sum = fused((double)v[(u64)o * args.ld], chi[o], sum);
        g = (Real)sum;
    }
    ((Real*)args.g)[((u64)member * args.samples + p) * args.ld + i] = g;
    if (!finite(g))
        note_nonfinite(args.first_nonfinite + member, args.parameters, args.place_g, args.places);
}
extern "C" __global__ void __launch_bounds__(THREADS) signal_f32(const OutputLayer args) {
    signal<float>(args);
}
extern "C" __global__ void __launch_bounds__(THREADS) signal_f64(const OutputLayer args) {
    signal<double>(args);
}

template <class Real> __device__ inline void readout(const OutputLayer& args) {
    u32 o = blockIdx.x, i = blockIdx.y * THREADS + threadIdx.x, member = blockIdx.z;
    double rate = args.parameters->rates[2];
    if (i >= args.rows || rate == 0.0)
        return;
    u64 at = ((u64)member * args.outputs + o) * args.ld + i;
    double v = ((Real*)args.v)[at], d = args.parameters->weight_decay * v;
    const Real* h = (const Real*)args.h + (u64)member * args.samples * args.ld + i;
    const double* chi = args.chi + (u64)member * args.samples * args.outputs + o;
    for (u32 p = 0; p < args.samples; p++)
        d = fused(args.update * chi[(u64)p * args.outputs], (double)h[(u64)p * args.ld], d);
    if (args.gathers) {
        ((Real*)args.velocity)[at] = (Real)d;
        return;
    }
    if (args.velocity) {
        Real* velocity = (Real*)args.velocity + at;
        d = fused(args.parameters->momentum, (double)*velocity, d);
        *velocity = (Real)d;
    }
    ((Real*)args.v)[at] = (Real)fused(-rate, d, v);
}
extern "C" __global__ void __launch_bounds__(THREADS) readout_f32(const OutputLayer args) {
    readout<float>(args);
}
extern "C" __global__ void __launch_bounds__(THREADS) readout_f64(const OutputLayer args) {
    readout<double>(args);
}

/// Arguments of `squares`: sums of squares, or of squared differences, of each member.
struct Squares {
    /// Y of all members, `stride` numbers each.
    const void* y;
    /// Numbers of one member.
    u64 stride;
    /// Y' of all members, laid out as Y, which is subtracted; or null.
    const void* minus;
    /// One number for each member and block, to which its sum is added.
    double* sums;
};

template <class Real> __device__ inline void squares(const Squares& args) {
    u64 member = blockIdx.y, height = (args.stride + gridDim.x - 1) / gridDim.x;
    u64 begin = blockIdx.x * height, end = begin + height < args.stride ? begin + height : args.stride;
    const Real* y = (const Real*)args.y + member * args.stride;
    const Real* minus = args.minus ? (const Real*)args.minus + member * args.stride : nullptr;
    double sum = 0;
    for (u64 i = begin + threadIdx.x; i < end; i += THREADS) {
        double x = (double)y[i] - (minus ? (double)minus[i] : 0.0);
        sum = fused(x, x, sum);
    }
    sum = sum_of_block(sum);
    if (threadIdx.x == 0)
        args.sums[member * gridDim.x + blockIdx.x] += sum;
}
extern "C" __global__ void __launch_bounds__(THREADS) squares_f32(const Squares args) {
    squares<float>(args);
}
extern "C" __global__ void __launch_bounds__(THREADS) squares_f64(const Squares args) {
    squares<double>(args);
}
