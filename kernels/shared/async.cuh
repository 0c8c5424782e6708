// Copies from global to shared memory that run beside arithmetic (cp.async).
#pragma once
#include "shared/real.cuh"

// Begins to copy 8 or 16 bytes between addresses that are aligned to them; zeros where not `there`.
template <int BYTES> __device__ inline void copy_async(void* to, const void* from, bool there = true) {
    static_assert(BYTES == 8 || BYTES == 16, "what one thread copies");
    u32 shared = (u32)__cvta_generic_to_shared(to), bytes = there ? BYTES : 0;
    if constexpr (BYTES == 16)
        asm volatile("cp.async.cg.shared.global [%0], [%1], 16, %2;" ::"r"(shared), "l"(__cvta_generic_to_global(from)),
                     "r"(bytes)
                     : "memory");
    else
        asm volatile("cp.async.ca.shared.global [%0], [%1], 8, %2;" ::"r"(shared), "l"(__cvta_generic_to_global(from)),
                     "r"(bytes)
                     : "memory");
}

// Ends a group of copies of this thread.
__device__ inline void end_group() { asm volatile("cp.async.commit_group;" ::: "memory"); }

// Waits until at most `LEFT` groups of this thread, the latest, are still under way.
template <int LEFT> __device__ inline void wait_for_groups() {
    asm volatile("cp.async.wait_group %0;" ::"n"(LEFT) : "memory");
}
