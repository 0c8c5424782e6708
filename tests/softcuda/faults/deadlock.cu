// The flag is never set: the watchdog ends it.
extern "C" __global__ void faulty(volatile unsigned* flag) { while (*flag == 0); }
extern "C" __global__ void fixed(volatile unsigned* flag) {
    if (threadIdx.x == 0) *flag = 1;
    while (*flag == 0);
}
