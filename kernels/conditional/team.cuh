// A team: the thread blocks that work on one network, how they wait for each other, and how they add up.
//
// All blocks of a grid are resident at once (cooperative launch). They are dealt to teams, which do not
// wait for each other: a barrier is one counter of a team.
#pragma once
#include "shared/block.cuh"

// What a block knows of its team; in shared memory.
struct Team {
    // Counter in global memory: arrivals of all blocks at all barriers since the launch.
    u32* arrivals;
    // Blocks of the team, and the number of this block among them.
    u32 blocks, block;
    // Arrivals that opened the last barrier.
    u32 due;
    // Rows of a chunk, the unit in which a block walks down its rows.
    u32 chunk;
};

// A barrier of the team: what any of its blocks wrote before, all of them see after.
__device__ __noinline__ void meet(Team& team) {
    __syncthreads();
    if (team.blocks == 1)
        return;
    if (threadIdx.x == 0) {
        team.due += team.blocks;
        __threadfence();
        atomicAdd(team.arrivals, 1u);
        while (*(volatile u32*)team.arrivals < team.due) {
        }
        __threadfence();
    }
    __syncthreads();
}

// A choice of entries: all of them.
struct Every {
    __device__ bool operator()(u32) const { return true; }
};

// Calls store(e, sum over the parts of entry e) for the wanted entries e < count, which are dealt to the
// warps of the team. Parts of an entry lie side by side. The order of a sum depends on the number of parts
// only: every lane has each 32nd part, then halves are added to each other.
template <class Wanted, class Store>
__device__ inline void add_up(const Team& team, const double* partials, u32 parts, u32 count,
                              Wanted wanted, Store store) {
    u32 lane = threadIdx.x % 32;
    for (u32 e = team.block * WARPS + threadIdx.x / 32; e < count; e += team.blocks * WARPS) {
        if (!wanted(e))
            continue;
        double sum = 0;
#pragma unroll 4
        for (u32 part = lane; part < parts; part += 32)
            sum += partials[(u64)e * parts + part];
#pragma unroll
        for (int away = 16; away > 0; away /= 2)
            sum += __shfl_xor_sync(0xFFFFFFFF, sum, away);
        if (lane == 0)
            store(e, sum);
    }
}
