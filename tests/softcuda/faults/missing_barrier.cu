// The tile is overwritten while slow threads still read it.
template <bool Second> __device__ void sum(const float* x, float* y, int n) {
    __shared__ float s[64];
    int t = threadIdx.x;
    float total = 0;
    for (int start = 0; start < n; start += 64) {
        s[t] = x[start + t];
        __syncthreads();
        for (int i = 0; i < 64; i++) total += s[i];
        if (Second) __syncthreads();
    }
    y[t] = total;
}
extern "C" __global__ void faulty(const float* x, float* y, int n) { sum<false>(x, y, n); }
extern "C" __global__ void fixed(const float* x, float* y, int n) { sum<true>(x, y, n); }
