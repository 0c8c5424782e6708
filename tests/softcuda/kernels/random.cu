// Counter-based normals, as the backend will make them: Philox 4×32-10, then Box–Muller.
__device__ void philox(unsigned c[4], unsigned k0, unsigned k1) {
    for (int round = 0; round < 10; round++) {
        unsigned h0 = __umulhi(0xD2511F53u, c[0]), l0 = 0xD2511F53u * c[0];
        unsigned h1 = __umulhi(0xCD9E8D57u, c[2]), l1 = 0xCD9E8D57u * c[2];
        unsigned n[4] = {h1 ^ c[1] ^ k0, l1, h0 ^ c[3] ^ k1, l0};
        for (int i = 0; i < 4; i++) c[i] = n[i];
        k0 += 0x9E3779B9u;
        k1 += 0xBB67AE85u;
    }
}

extern "C" __global__ void words(uint4* out, unsigned k0, unsigned k1) {
    unsigned i = blockIdx.x * blockDim.x + threadIdx.x;
    unsigned c[4] = {i, 0, 7, 9};
    philox(c, k0, k1);
    out[i] = make_uint4(c[0], c[1], c[2], c[3]);
}

extern "C" __global__ void normals(float2* out, unsigned k0, unsigned k1) {
    unsigned i = blockIdx.x * blockDim.x + threadIdx.x;
    unsigned c[4] = {i, 0, 7, 9};
    philox(c, k0, k1);
    float u = __fmaf_rn((float)(c[0] >> 8), 0x1p-24f, 0x1p-25f);
    float v = (float)(c[1] >> 8) * 0x1p-24f;
    float r = sqrtf(-2.0f * logf(u)), s, t;
    sincosf(6.2831853f * v, &s, &t);
    out[i] = make_float2(r * s, r * t);
}

// bf16 by hand: to nearest even, and back.
extern "C" __global__ void brain(const float* x, unsigned short* y, float* z, int n) {
    int i = blockIdx.x * blockDim.x + threadIdx.x;
    if (i >= n) return;
    unsigned bits = __float_as_uint(x[i]);
    unsigned short b = (bits + 0x7fffu + (bits >> 16 & 1u)) >> 16;
    y[i] = b;
    z[i] = __uint_as_float((unsigned)b << 16);
}
