__constant__ float table[4] = {1.f,2.f,3.f,4.f};
__device__ double counter = 2.5;
__device__ __noinline__ float helper(float x, int n, float* q) { for(int i=0;i<n;i++) x = x*1.5f + q[i]; return x; }
struct P { int n; float s; double z; const float* x; };
extern "C" __global__ void maths(const float* x, float* y, const double* u, double* v, int n) {
  int i = blockIdx.x*blockDim.x+threadIdx.x; if (i>=n) return;
  y[i] = tanhf(x[i]) + expf(x[i]) * erff(x[i]) + logf(fabsf(x[i])+1.f) + sinf(x[i]) * cosf(x[i]) + sqrtf(fabsf(x[i])) / x[i];
  v[i] = tanh(u[i]) + exp(u[i]) * erf(u[i]) + log(fabs(u[i])+1) + sin(u[i]) * cos(u[i]) + sqrt(fabs(u[i])) / u[i] + pow(fabs(u[i]), 1.3);
}
extern "C" __global__ void misc(P p, float* y, unsigned* c) {
  __shared__ float s[64]; extern __shared__ float dyn[];
  float loc[8];
  int t = threadIdx.x;
  for (int i=0;i<8;i++) loc[i] = p.x[i]*p.s;
  s[t&63] = loc[(t*7+p.n)&7]; dyn[t] = table[t&3];
  __syncthreads();
  float v = helper(s[(t+1)&31], p.n, loc);
  v += __shfl_xor_sync(~0u, v, 3); v += __shfl_down_sync(~0u, v, 1);
  unsigned b = __ballot_sync(~0u, v > 3.f);
  atomicAdd(c, __popc(b)); atomicAdd(y+40, v); atomicMax(c+1, (unsigned)t); atomicCAS(c+2, 0u, 5u); atomicAdd(&counter, 1.0);
  unsigned short h = (unsigned short)(__float_as_uint(v) >> 16);
  y[t] = __uint_as_float((unsigned)h << 16) + dyn[(t+5)%blockDim.x] + (float)p.z;
  switch (p.n) { case 0: y[t]+=1; break; case 1: y[t]*=2; break; case 2: y[t]-=v; break; case 3: y[t]=expf(v); break; case 4: y[t]/=3; break; case 5: y[t]=sqrtf(v); break; default: break; }
}
extern "C" __global__ void barrier(volatile unsigned* bar, float* x, int n, int rounds) {
  unsigned i = blockIdx.x*blockDim.x+threadIdx.x;
  for (int r=0;r<rounds;r++) {
    float v = x[(i+1)%n + (r&1)*n];
    x[i + ((r+1)&1)*n] = v + 1.f;
    __syncthreads();
    if (threadIdx.x==0) { __threadfence(); atomicAdd((unsigned*)bar, 1u); while (*bar < (r+1)*gridDim.x); __threadfence(); }
    __syncthreads();
  }
}
