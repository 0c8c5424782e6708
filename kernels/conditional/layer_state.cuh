// What the conditional engine knows of one weight matrix that does not grow with the width n.
#pragma once
#include "shared/real.cuh"

/// What the conditional engine knows of one layer of one network, in the memory of the device.
struct LayerState {
    /// Columns that are stored: of the forward queries, and of the backward ones.
    u32 rank[2];
    /// Forward columns that were there before the forward queries of this step.
    u32 earlier;
    /// Forward and backward columns at the last update: the size of the drift M.
    u32 drifted[2];
    /// Zero; fills the structure up to whole 8 bytes.
    u32 padding;
    /// The factor a on every answer of W(0), which weight decay shrinks.
    double kept;
    /// The factor b on W(0) in the velocity.
    double fading;
};
