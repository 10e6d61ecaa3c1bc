// Tensor-core products, the shared-memory loads that feed them, and copies past the registers.
//
// Fragments of mma.m16n8k16 (PTX ISA, "Matrix Fragments for mma.m16n8k16"): with group = lane / 4
// and t = lane % 4, a lane holds
//   a[0] = A[group][2t, 2t+1]      a[1] = A[group + 8][2t, 2t+1]
//   a[2] = A[group][2t+8, 2t+9]    a[3] = A[group + 8][2t+8, 2t+9]
//   b[0] = B[2t, 2t+1][group]      b[1] = B[2t+8, 2t+9][group]
//   d[0], d[1] = D[group][2t, 2t+1]        d[2], d[3] = D[group + 8][2t, 2t+1]
#pragma once
#include "device.cuh"

// D += A B by shuffles and fused multiply-adds: for bf16 on sm_75, which lacks the instruction, and
// on the CPU. Same fragments, products summed in float32.
template <class T>
DEVICE void mma_by_shuffles(float (&d)[4], const u32 (&a)[4], const u32 (&b)[2]) {
  const int lane = threadIdx.x & 31, group = lane >> 2, t = lane & 3;
#pragma unroll
  for (int half = 0; half < 2; half++) {  // the first and the last eight of the sixteen products
#pragma unroll 1
    for (int s = 0; s < 4; s++) {  // the lane of the quad that holds products 2s and 2s + 1
      const u32 top = __shfl_sync(kAllLanes, a[2 * half], group * 4 + s);
      const u32 bottom = __shfl_sync(kAllLanes, a[2 * half + 1], group * 4 + s);
      const u32 left = __shfl_sync(kAllLanes, b[half], 2 * t * 4 + s);
      const u32 right = __shfl_sync(kAllLanes, b[half], (2 * t + 1) * 4 + s);
      d[0] += low<T>(top) * low<T>(left) + high<T>(top) * high<T>(left);
      d[1] += low<T>(top) * low<T>(right) + high<T>(top) * high<T>(right);
      d[2] += low<T>(bottom) * low<T>(left) + high<T>(bottom) * high<T>(left);
      d[3] += low<T>(bottom) * low<T>(right) + high<T>(bottom) * high<T>(right);
    }
  }
}

#if defined(__CUDA_ARCH__) && __CUDA_ARCH__ >= 800
#define MMA_16816(type)                                                            \
  asm("mma.sync.aligned.m16n8k16.row.col.f32." type "." type ".f32 "               \
      "{%0,%1,%2,%3}, {%4,%5,%6,%7}, {%8,%9}, {%0,%1,%2,%3};"                      \
      : "+f"(d[0]), "+f"(d[1]), "+f"(d[2]), "+f"(d[3])                             \
      : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(b[0]), "r"(b[1]))
#endif

template <class T>
DEVICE void mma(float (&d)[4], const u32 (&a)[4], const u32 (&b)[2]);

template <>
DEVICE void mma<BF16>(float (&d)[4], const u32 (&a)[4], const u32 (&b)[2]) {
#if defined(__CUDA_ARCH__) && __CUDA_ARCH__ >= 800
  MMA_16816("bf16");
#else
  mma_by_shuffles<BF16>(d, a, b);
#endif
}

template <>
DEVICE void mma<F16>(float (&d)[4], const u32 (&a)[4], const u32 (&b)[2]) {
#if defined(__CUDA_ARCH__) && __CUDA_ARCH__ >= 800
  MMA_16816("f16");
#elif defined(__CUDA_ARCH__)
  // sm_75 has half the depth: the fragments are those of two such products
#pragma unroll
  for (int half = 0; half < 2; half++) {
    asm("mma.sync.aligned.m16n8k8.row.col.f32.f16.f16.f32 "
        "{%0,%1,%2,%3}, {%4,%5}, {%6}, {%0,%1,%2,%3};"
        : "+f"(d[0]), "+f"(d[1]), "+f"(d[2]), "+f"(d[3])
        : "r"(a[2 * half]), "r"(a[2 * half + 1]), "r"(b[half]));
  }
#else
  mma_by_shuffles<F16>(d, a, b);
#endif
}

// Four 8x8 matrices of 16-bit elements from shared memory. Lanes 8i to 8i+7 name the rows of matrix
// i; each lane receives elements [lane/4][2(lane%4)] and the next of every matrix, or with kTransposed
// those of the transposed matrices.
template <bool kTransposed>
DEVICE void load_matrices(u32 (&out)[4], const void* row) {
#ifdef __CUDACC__
  const u32 address = static_cast<u32>(__cvta_generic_to_shared(row));
  if (kTransposed) {
    asm volatile("ldmatrix.sync.aligned.m8n8.x4.trans.shared.b16 {%0,%1,%2,%3}, [%4];"
                 : "=r"(out[0]), "=r"(out[1]), "=r"(out[2]), "=r"(out[3])
                 : "r"(address)
                 : "memory");
  } else {
    asm volatile("ldmatrix.sync.aligned.m8n8.x4.shared.b16 {%0,%1,%2,%3}, [%4];"
                 : "=r"(out[0]), "=r"(out[1]), "=r"(out[2]), "=r"(out[3])
                 : "r"(address)
                 : "memory");
  }
#else
  standin::load_matrices(out, row, kTransposed);
#endif
}

// Starts a copy of 16 bytes to shared memory, or of 16 zero bytes; global is only read if present.
DEVICE void copy16(void* shared, const void* global, bool present) {
#if defined(__CUDA_ARCH__) && __CUDA_ARCH__ >= 800
  const u32 to = static_cast<u32>(__cvta_generic_to_shared(shared));
  const int bytes = present ? 16 : 0;
  asm volatile("cp.async.cg.shared.global [%0], [%1], 16, %2;" ::"r"(to), "l"(global), "r"(bytes)
               : "memory");
#elif defined(__CUDA_ARCH__)
  *static_cast<Words4*>(shared) =
      present ? *static_cast<const Words4*>(global) : Words4{{0, 0, 0, 0}};
#elif !defined(__CUDACC__)
  standin::copy_later(shared, global, present);
#endif
}

// Waits for the copies this thread has started; others see them after a barrier.
DEVICE void await_copies() {
#if defined(__CUDA_ARCH__) && __CUDA_ARCH__ >= 800
  asm volatile("cp.async.wait_all;" ::: "memory");
#elif !defined(__CUDACC__)
  standin::finish_copies();
#endif
}
