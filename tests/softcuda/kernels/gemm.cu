// Tiled products in f32 and f64, from a template, and reductions by warp shuffles.
template <typename T, int TILE>
__device__ void product(const T* a, const T* b, T* c, int m, int n, int k) {
    __shared__ T left[TILE][TILE + 1];
    __shared__ T right[TILE][TILE];
    int row = blockIdx.y * TILE + threadIdx.y, column = blockIdx.x * TILE + threadIdx.x;
    T sum = 0;
    for (int start = 0; start < k; start += TILE) {
        int ka = start + threadIdx.x, kb = start + threadIdx.y;
        left[threadIdx.y][threadIdx.x] = row < m && ka < k ? a[row * k + ka] : T(0);
        right[threadIdx.y][threadIdx.x] = kb < k && column < n ? b[kb * n + column] : T(0);
        __syncthreads();
#pragma unroll
        for (int i = 0; i < TILE; i++) sum = fma(left[threadIdx.y][i], right[i][threadIdx.x], sum);
        __syncthreads();
    }
    if (row < m && column < n) c[row * n + column] = sum;
}

extern "C" __global__ void gemm32(const float* a, const float* b, float* c, int m, int n, int k) {
    product<float, 16>(a, b, c, m, n, k);
}

extern "C" __global__ void gemm64(const double* a, const double* b, double* c, int m, int n, int k) {
    product<double, 16>(a, b, c, m, n, k);
}

// Each thread has 4 columns by 4 rows in registers: what a fast kernel looks like.
extern "C" __global__ void __launch_bounds__(256) micro(const float* __restrict__ a,
                                                         const float* __restrict__ b,
                                                         float* __restrict__ c, int n, int k) {
    __shared__ float left[16][64], right[16][64];
    int t = threadIdx.x, tx = t % 16, ty = t / 16;
    int row = blockIdx.y * 64, column = blockIdx.x * 64;
    float sum[4][4] = {};
    for (int start = 0; start < k; start += 16) {
        float4 x = *(const float4*)&a[(row + t / 4) * k + start + t % 4 * 4];
        left[t % 4 * 4 + 0][t / 4] = x.x;
        left[t % 4 * 4 + 1][t / 4] = x.y;
        left[t % 4 * 4 + 2][t / 4] = x.z;
        left[t % 4 * 4 + 3][t / 4] = x.w;
        *(float4*)&right[t / 16][t % 16 * 4] = *(const float4*)&b[(start + t / 16) * n + column + t % 16 * 4];
        __syncthreads();
#pragma unroll
        for (int i = 0; i < 16; i++) {
            float4 u = *(float4*)&left[i][ty * 4], v = *(float4*)&right[i][tx * 4];
            float p[4] = {u.x, u.y, u.z, u.w}, q[4] = {v.x, v.y, v.z, v.w};
#pragma unroll
            for (int y = 0; y < 4; y++)
#pragma unroll
                for (int x = 0; x < 4; x++) sum[y][x] = __fmaf_rn(p[y], q[x], sum[y][x]);
        }
        __syncthreads();
    }
    for (int y = 0; y < 4; y++)
        *(float4*)&c[(row + ty * 4 + y) * n + column + tx * 4] =
            make_float4(sum[y][0], sum[y][1], sum[y][2], sum[y][3]);
}

extern "C" __global__ void reduce(const float* x, float* y, int n) {
    extern __shared__ float parts[];
    float sum = 0;
    for (int i = blockIdx.x * blockDim.x + threadIdx.x; i < n; i += gridDim.x * blockDim.x) sum += x[i];
    for (int step = 16; step; step /= 2) sum += __shfl_down_sync(~0u, sum, step);
    if (threadIdx.x % 32 == 0) parts[threadIdx.x / 32] = sum;
    __syncthreads();
    if (threadIdx.x < 32) {
        sum = threadIdx.x < blockDim.x / 32 ? parts[threadIdx.x] : 0;
        for (int step = 16; step; step /= 2) sum += __shfl_down_sync(~0u, sum, step);
        if (threadIdx.x == 0) atomicAdd(y, sum);
    }
}
