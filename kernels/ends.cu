// The upper end of the network: outputs, loss, what goes back, and the step of V. Sums in f64.
//
//   read       f_po = readout sum_i V_io h_ip; many rows by several blocks, whose sums collect adds up
//   loss       chi_po = d loss / d f_po
//   signal     O = 1: g = V for every sample, which enters updates with k_p = chi_p;
//              O > 1: g_p = V chi_p, k_p = 1
//   readout    D_o = update sum_p chi_po h_p, and the step of V as in transpose.cu
//   squares    sum of (y - y')^2
//
// V: O x ld, output by output; h: P x ld; f, chi, labels: P x O. 4 P ld bytes of h in f32, nothing
// beside a layer.
//
// Sums of a block: every thread adds up in steps of 256, then halves are added to each other.
//
// Launch: 256 threads; read (P O, members, parts), collect (P O over 256, members), loss (1, members), signal (ld over 256, P, members),
// readout (ld over 256, O, members), squares (parts, members).
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
#include "block.cuh"

struct Ends {
    // O x ld, and its velocity or null; a member's are O ld numbers.
    void* v;
    void* velocity;
    // P x ld, a member's are P ld numbers.
    const void* h;
    void* g;
    // P x O each, one member after the other.
    double* f;
    // Sums of f in parts, so many each, or null: one block sums all rows.
    double* parts;
    double* chi;
    const double* labels;
    // P factors with which g enters updates.
    double* k;
    u64* first_nonfinite;
    const Moment* moment;
    // The power of n and L on f, and on D.
    double readout, update;
    u32 rows, ld, samples, outputs;
    // 0 squared, 1 cross-entropy
    u32 loss;
    // The places of f and of the signal in a pass.
    u32 place_f, place_g, places;
    u32 count, padding;
};
static_assert(sizeof(Ends) == 144, "as in src/backend/cuda/arguments.rs");

// f of a sum; entry e of all members'.
__device__ inline void write_output(const Ends& of, u32 member, u64 e, double sum) {
    double f = of.readout * sum;
    of.f[e] = f;
    if (of.first_nonfinite && !finite(f))
        note(of.first_nonfinite + member, of.moment, of.place_f, of.places);
}

template <class Real> __device__ inline void read(const Ends& of) {
    u32 p = blockIdx.x / of.outputs, o = blockIdx.x % of.outputs, member = blockIdx.y;
    u32 height = (of.rows + gridDim.z - 1) / gridDim.z, begin = blockIdx.z * height;
    const Real* v = (const Real*)of.v + ((u64)member * of.outputs + o) * of.ld;
    const Real* h = (const Real*)of.h + ((u64)member * of.samples + p) * of.ld;
    double sum = 0;
    for (u32 i = begin + threadIdx.x; i < min(of.rows, begin + height); i += THREADS)
        sum = fused((double)v[i], (double)h[i], sum);
    sum = sum_of_block(sum);
    u64 e = (u64)member * gridDim.x + blockIdx.x;
    if (threadIdx.x > 0)
        return;
    if (of.parts)
        of.parts[e * gridDim.z + blockIdx.z] = sum;
    else
        write_output(of, member, e, sum);
}
extern "C" __global__ void __launch_bounds__(THREADS) read_f32(const Ends of) { read<float>(of); }
extern "C" __global__ void __launch_bounds__(THREADS) read_f64(const Ends of) { read<double>(of); }

// A thread an output.
extern "C" __global__ void __launch_bounds__(THREADS) collect(const Ends of) {
    u32 outputs = of.samples * of.outputs, e = blockIdx.x * THREADS + threadIdx.x;
    if (e >= outputs)
        return;
    u64 entry = (u64)blockIdx.y * outputs + e;
    double sum = 0;
    for (u32 part = 0; part < of.count; part++)
        sum += of.parts[entry * of.count + part];
    write_output(of, blockIdx.y, entry, sum);
}

// A thread a sample.
extern "C" __global__ void __launch_bounds__(THREADS, 2) loss(const Ends of) {
    u64 member = blockIdx.y;
    u32 outputs = of.outputs;
    for (u32 p = threadIdx.x; p < of.samples; p += THREADS) {
        u64 at = (member * of.samples + p) * outputs;
        const double *f = of.f + at, *y = of.labels + at;
        double* chi = of.chi + at;
        if (of.loss == 0) {
            for (u32 o = 0; o < outputs; o++)
                chi[o] = (f[o] - y[o]) / of.samples;
            continue;
        }
        // (softmax(f)_o sum y - y_o)/P; by the largest, so that no term overflows.
        double top = f[0], powers = 0, labels = 0;
        for (u32 o = 1; o < outputs; o++)
            top = f[o] > top ? f[o] : top;
        for (u32 o = 0; o < outputs; o++) {
            powers += exp(f[o] - top);
            labels += y[o];
        }
        for (u32 o = 0; o < outputs; o++)
            chi[o] = (exp(f[o] - top) * (labels / powers) - y[o]) / of.samples;
    }
}

template <class Real> __device__ inline void signal(const Ends& of) {
    u32 i = blockIdx.x * THREADS + threadIdx.x, p = blockIdx.y, member = blockIdx.z;
    const double* chi = of.chi + ((u64)member * of.samples + p) * of.outputs;
    if (i == 0)
        of.k[(u64)member * of.samples + p] = of.outputs == 1 ? chi[0] : 1.0;
    if (i >= of.rows)
        return;
    const Real* v = (const Real*)of.v + (u64)member * of.outputs * of.ld + i;
    Real g;
    if (of.outputs == 1) {
        g = v[0];
    } else {
        double sum = 0;
        for (u32 o = 0; o < of.outputs; o++)
            sum = fused((double)v[(u64)o * of.ld], chi[o], sum);
        g = (Real)sum;
    }
    ((Real*)of.g)[((u64)member * of.samples + p) * of.ld + i] = g;
    if (!finite(g))
        note(of.first_nonfinite + member, of.moment, of.place_g, of.places);
}
extern "C" __global__ void __launch_bounds__(THREADS) signal_f32(const Ends of) {
    signal<float>(of);
}
extern "C" __global__ void __launch_bounds__(THREADS) signal_f64(const Ends of) {
    signal<double>(of);
}

template <class Real> __device__ inline void readout(const Ends& of) {
    u32 i = blockIdx.x * THREADS + threadIdx.x, o = blockIdx.y, member = blockIdx.z;
    double rate = of.moment->rates[2];
    if (i >= of.rows || rate == 0.0)
        return;
    u64 at = ((u64)member * of.outputs + o) * of.ld + i;
    double v = ((Real*)of.v)[at], d = of.moment->weight_decay * v;
    const Real* h = (const Real*)of.h + (u64)member * of.samples * of.ld + i;
    const double* chi = of.chi + (u64)member * of.samples * of.outputs + o;
    for (u32 p = 0; p < of.samples; p++)
        d = fused(of.update * chi[(u64)p * of.outputs], (double)h[(u64)p * of.ld], d);
    if (of.velocity) {
        Real* velocity = (Real*)of.velocity + at;
        d = fused(of.moment->momentum, (double)*velocity, d);
        *velocity = (Real)d;
    }
    ((Real*)of.v)[at] = (Real)fused(-rate, d, v);
}
extern "C" __global__ void __launch_bounds__(THREADS) readout_f32(const Ends of) {
    readout<float>(of);
}
extern "C" __global__ void __launch_bounds__(THREADS) readout_f64(const Ends of) {
    readout<double>(of);
}

struct Squares {
    // A member's numbers, `stride` of them.
    const void* y;
    u64 stride;
    // Y', or null
    const void* minus;
    // One of each member and block, to which the sum is added.
    double* sums;
};
static_assert(sizeof(Squares) == 32, "as in src/backend/cuda/arguments.rs");

template <class Real> __device__ inline void squares(const Squares& of) {
    u64 member = blockIdx.y, height = (of.stride + gridDim.x - 1) / gridDim.x;
    u64 begin = blockIdx.x * height, end = begin + height < of.stride ? begin + height : of.stride;
    const Real* y = (const Real*)of.y + member * of.stride;
    const Real* minus = of.minus ? (const Real*)of.minus + member * of.stride : nullptr;
    double sum = 0;
    for (u64 i = begin + threadIdx.x; i < end; i += THREADS) {
        double x = (double)y[i] - (minus ? (double)minus[i] : 0.0);
        sum = fused(x, x, sum);
    }
    sum = sum_of_block(sum);
    if (threadIdx.x == 0)
        of.sums[member * gridDim.x + blockIdx.x] += sum;
}
extern "C" __global__ void __launch_bounds__(THREADS) squares_f32(const Squares of) {
    squares<float>(of);
}
extern "C" __global__ void __launch_bounds__(THREADS) squares_f64(const Squares of) {
    squares<double>(of);
}
