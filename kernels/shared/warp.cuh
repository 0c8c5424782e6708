// What the lanes of one warp add up together.
#pragma once
#include "shared/real.cuh"

// Sums over the lanes of a warp, of V values each: with every exchange a lane keeps half of its values, until
// lane l has the sum of value l V / 32.
template <int V, int AWAY, class Real> __device__ inline Real sum_of_lanes(Real (&x)[V]) {
    if constexpr (AWAY == 0) {
        return x[0];
    } else if constexpr (V == 1) {
        Real y[1] = {x[0] + __shfl_xor_sync(0xFFFFFFFF, x[0], AWAY)};
        return sum_of_lanes<1, AWAY / 2>(y);
    } else {
        bool upper = threadIdx.x & AWAY;
        Real y[V / 2];
#pragma unroll
        for (int i = 0; i < V / 2; i++) {
            Real kept = upper ? x[V / 2 + i] : x[i], sent = upper ? x[i] : x[V / 2 + i];
            y[i] = kept + __shfl_xor_sync(0xFFFFFFFF, sent, AWAY);
        }
        return sum_of_lanes<V / 2, AWAY / 2>(y);
    }
}
