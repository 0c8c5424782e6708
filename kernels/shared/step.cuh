// What changes from step to step, and where in a step numbers stop being finite.
#pragma once
#include "shared/real.cuh"

/// What changes from step to step. It lies in the memory of the device, so that the captured graph of one
/// step serves all steps.
struct StepParameters {
    /// Number of this step: the updates done before it.
    u64 step;
    /// Learning rates eta of the input, hidden and readout weights; 0: a group rests.
    double rates[3];
    /// Momentum mu of gradient descent: the share of a velocity that a step keeps; 0 by other rules.
    double momentum;
    /// Weight decay lambda of gradient descent: the share of the weights that is added to their gradient; 0 by other
    /// rules.
    double weight_decay;
    /// What Adam divides its running means by: 1 - b1^k and 1 - b2^k in the k-th update.
    double corrections[2];
};

// Notes that a number of a member was not finite at a place of a pass. The places of a step are numbered in
// the order in which the step comes to them, `places` in all, so the smallest number is the first.
__device__ inline void note_nonfinite(u64* first, const StepParameters* parameters, u32 place, u32 places) {
    atomicMin(first, parameters->step * places + place);
}
