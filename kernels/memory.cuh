// One weight matrix of the conditional engine, as far as it does not grow with n.
#pragma once
#include "real.cuh"

// One layer of one network.
struct State {
    // Columns that are stored: of the forward queries, of the backward ones.
    u32 rank[2];
    // Forward columns that were there before this step.
    u32 earlier;
    // Forward and backward columns at the last update: M is that large.
    u32 drifted[2];
    // 0
    u32 padding;
    // a: the factor on every answer of W(0), and that of its velocity.
    double kept, fading;
};
static_assert(sizeof(State) == 40, "as in src/backend/cuda/arguments.rs");
