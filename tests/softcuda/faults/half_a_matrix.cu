__device__ inline float product(unsigned a, unsigned b) {
    float d[4] = {};
    asm volatile("mma.sync.aligned.m16n8k8.row.col.f32.tf32.tf32.f32 {%0, %1, %2, %3}, {%4, %4, %4, %4}, {%5, %5}, "
                 "{%0, %1, %2, %3};"
                 : "+f"(d[0]), "+f"(d[1]), "+f"(d[2]), "+f"(d[3])
                 : "r"(a), "r"(b));
    return d[0];
}
extern "C" __global__ void faulty(float* y) {
    if (threadIdx.x < 16) y[threadIdx.x] = product(__float_as_uint(1.0f), __float_as_uint(2.0f));
}
extern "C" __global__ void fixed(float* y) {
    y[threadIdx.x] = product(__float_as_uint(1.0f), __float_as_uint(2.0f));
}
