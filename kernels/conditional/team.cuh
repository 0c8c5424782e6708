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

// Orders what this thread did before and after it for the whole device; lighter than __threadfence(), which
// also puts all such fences into one order.
__device__ inline void fence() { asm volatile("fence.acq_rel.gpu;" ::: "memory"); }

// Waits until so many have arrived; by one thread.
__device__ inline void wait(const Team& team, u32 due) {
    while (*(volatile u32*)team.arrivals < due) {
    }
    fence();
}

// A barrier of the team: what any of its blocks wrote before, all of them see after.
__device__ __noinline__ void meet(Team& team) {
    __syncthreads();
    if (team.blocks == 1)
        return;
    if (threadIdx.x == 0) {
        team.due += team.blocks;
        fence();
        atomicAdd(team.arrivals, 1u);
        wait(team, team.due);
    }
    __syncthreads();
}

// A barrier at which the first block does some work when all others have come, and they go on when it has
// done it.
template <class Work> __device__ inline void meet_and(Team& team, Work work) {
    __syncthreads();
    bool first = team.block == 0;
    if (team.blocks > 1 && threadIdx.x == 0) {
        team.due += team.blocks;
        if (!first) {
            fence();
            atomicAdd(team.arrivals, 1u);
        }
        wait(team, first ? team.due - 1 : team.due);
    }
    __syncthreads();
    if (!first)
        return;
    work();
    __syncthreads();
    if (team.blocks > 1 && threadIdx.x == 0) {
        fence();
        atomicAdd(team.arrivals, 1u);
    }
}

// Who computes a small matrix: one block, or all blocks of a team. Warps are numbered block by block in
// turn, so that few entries keep many multiprocessors busy.
struct Hands {
    // Null: one block alone.
    Team* team;
    // This thread, and how many there are.
    u32 mine, all;

    static __device__ inline Hands alone() { return Hands{nullptr, threadIdx.x, THREADS}; }
    static __device__ inline Hands of(Team& team) {
        u32 warp = threadIdx.x / 32 * team.blocks + team.block;
        return Hands{&team, warp * 32 + threadIdx.x % 32, team.blocks * THREADS};
    }
    // What any of the hands wrote before, all of them see after.
    __device__ inline void meet() const {
        if (team)
            ::meet(*team);
        else
            __syncthreads();
    }
};

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
