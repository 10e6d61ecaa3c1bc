// Kernels that are wrong, each in one way: what the stand-in driver must notice.
#include "../../main/cuda/tensor_core.cuh"

KERNEL(faulty_write_beyond, 32, (float* p, int count)) { p[count + threadIdx.x] = 1.f; }

KERNEL(faulty_write_beside, 32, (u8 * p, int count)) {
  if (threadIdx.x == 0) p[count] = 1;  // in the bytes that fill the last 16 up
}

KERNEL(faulty_read_beyond, 32, (float* p, int count)) { p[0] = p[count + threadIdx.x]; }

KERNEL(faulty_misaligned, 32, (u8 * p, int count)) {
  reinterpret_cast<Words4*>(p + 4)->w[0] = static_cast<u32>(count);
}

KERNEL(faulty_shared_index, 32, (float* p, int count)) {
  __shared__ float few[8];
  few[count + threadIdx.x] = 1.f;
  __syncthreads();
  p[0] = few[0];
}

KERNEL(faulty_dynamic_shared, 32, (float* p, int count)) {
  SHARED_BYTES;
  reinterpret_cast<float*>(shared_bytes)[count + threadIdx.x] = 1.f;
  __syncthreads();
  p[0] = 1.f;
}

// Reads what a neighbour wrote without waiting for it.
KERNEL(faulty_race, 32, (float* p, int count)) {
  __shared__ float all[32];
  if (count > 0) all[threadIdx.x] = -1.f;
  __syncthreads();
  all[threadIdx.x] = static_cast<float>(threadIdx.x);
  p[threadIdx.x] = all[31 - threadIdx.x];
}

// Reads what an asynchronous copy has not brought yet.
KERNEL(faulty_unawaited_copy, 32, (float* p, int count)) {
  __shared__ Words4 stage[32];
  stage[threadIdx.x] = Words4{{0, 0, 0, 0}};
  copy16(&stage[threadIdx.x], p + 4 * threadIdx.x, count > 0);
  __syncthreads();
  p[4 * threadIdx.x] = __uint_as_float(stage[threadIdx.x].w[0]);
}

// Half a block waits for the other, which waits for it in a warp.
KERNEL(faulty_deadlock, 64, (float* p, int count)) {
  if (threadIdx.x < static_cast<u32>(count)) __syncthreads();
  p[threadIdx.x] = __shfl_xor_sync(kAllLanes, 1.f, 1);
}
