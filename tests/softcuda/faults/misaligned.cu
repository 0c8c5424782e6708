struct __align__(16) Four { float x, y, z, w; };
// Rows of a length that isn't a multiple of four, read by fours.
extern "C" __global__ void faulty(const float* x, float* y, int n) {
    Four v = *(const Four*)&x[threadIdx.x * n];
    y[threadIdx.x] = v.x + v.y + v.z + v.w;
}
extern "C" __global__ void fixed(const float* x, float* y, int n) {
    const float* v = &x[threadIdx.x * n];
    y[threadIdx.x] = v[0] + v[1] + v[2] + v[3];
}
