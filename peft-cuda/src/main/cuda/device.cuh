// What every kernel stands on: element types, conversions, warp reductions, and the tensor-core
// primitives with their fallbacks.
//
// The sources compile twice. nvcc makes the PTX that ships. Any C++17 compiler makes the stand-in
// driver of the tests (src/test/standin), which runs the same kernels on the CPU; there
// host_device.h supplies threadIdx, barriers and shuffles. No CUDA header but the built-ins is used.
#pragma once

#ifdef __CUDACC__
#define DEVICE __device__ __forceinline__
#define KERNEL(name, threads, params) \
  extern "C" __global__ void __launch_bounds__(threads) name params
#define SHARED_BYTES extern __shared__ __align__(128) unsigned char shared_bytes[]
#else
#include "host_device.h"
#endif

using u8 = unsigned char;
using u16 = unsigned short;
using u32 = unsigned int;
using i64 = long long;

constexpr u32 kAllLanes = 0xffffffffu;

// ---- element types ---------------------------------------------------------------------------

struct F16 {
  u16 bits;
};
struct BF16 {
  u16 bits;
};

// Four 4-byte words: the widest access a thread can make.
struct alignas(16) Words4 {
  u32 w[4];
};
struct alignas(8) Words2 {
  u32 w[2];
};

DEVICE float widen(float x) { return x; }

DEVICE float widen(BF16 x) { return __uint_as_float(static_cast<u32>(x.bits) << 16); }

DEVICE float widen(F16 x) {
#ifdef __CUDACC__
  float y;
  asm("cvt.f32.f16 %0, %1;" : "=f"(y) : "h"(x.bits));
  return y;
#else
  return standin::half_to_float(x.bits);
#endif
}

// Round to nearest, ties to even; the integer form is what sm_80's cvt.rn.bf16 does.
DEVICE u16 bf16_bits(float x) {
#if defined(__CUDA_ARCH__) && __CUDA_ARCH__ >= 800
  u16 y;
  asm("cvt.rn.bf16.f32 %0, %1;" : "=h"(y) : "f"(x));
  return y;
#else
  const u32 bits = __float_as_uint(x);
  if ((bits & 0x7fffffffu) > 0x7f800000u) return static_cast<u16>(bits >> 16 | 0x40u);
  return static_cast<u16>((bits + 0x7fffu + (bits >> 16 & 1u)) >> 16);
#endif
}

DEVICE u16 f16_bits(float x) {
#ifdef __CUDACC__
  u16 y;
  asm("cvt.rn.f16.f32 %0, %1;" : "=h"(y) : "f"(x));
  return y;
#else
  return standin::float_to_half(x);
#endif
}

DEVICE void narrow(float x, float& y) { y = x; }
DEVICE void narrow(float x, F16& y) { y.bits = f16_bits(x); }
DEVICE void narrow(float x, BF16& y) { y.bits = bf16_bits(x); }

template <class T>
DEVICE T narrow_to(float x) {
  T y;
  narrow(x, y);
  return y;
}

// Two elements in a word, the first in the low half.
template <class T>
DEVICE u32 pack2(float first, float second);

template <>
DEVICE u32 pack2<BF16>(float first, float second) {
#if defined(__CUDA_ARCH__) && __CUDA_ARCH__ >= 800
  u32 y;
  asm("cvt.rn.bf16x2.f32 %0, %1, %2;" : "=r"(y) : "f"(second), "f"(first));
  return y;
#else
  return static_cast<u32>(bf16_bits(first)) | static_cast<u32>(bf16_bits(second)) << 16;
#endif
}

template <>
DEVICE u32 pack2<F16>(float first, float second) {
  return static_cast<u32>(f16_bits(first)) | static_cast<u32>(f16_bits(second)) << 16;
}

template <class T>
DEVICE float low(u32 pair) {
  return widen(T{static_cast<u16>(pair & 0xffffu)});
}

template <class T>
DEVICE float high(u32 pair) {
  return widen(T{static_cast<u16>(pair >> 16)});
}

// ---- 16-byte accesses ------------------------------------------------------------------------

template <class T>
constexpr int kPerVector = 16 / static_cast<int>(sizeof(T));

DEVICE bool aligned16(const void* p) { return (reinterpret_cast<unsigned long long>(p) & 15) == 0; }

// Eight consecutive elements as floats; p is 16-byte aligned.
DEVICE void load8(const float* p, float (&x)[8]) {
  const Words4 a = *reinterpret_cast<const Words4*>(p);
  const Words4 b = *reinterpret_cast<const Words4*>(p + 4);
#pragma unroll
  for (int i = 0; i < 4; i++) {
    x[i] = __uint_as_float(a.w[i]);
    x[4 + i] = __uint_as_float(b.w[i]);
  }
}

template <class T>
DEVICE void load8(const T* p, float (&x)[8]) {
  const Words4 a = *reinterpret_cast<const Words4*>(p);
#pragma unroll
  for (int i = 0; i < 4; i++) {
    x[2 * i] = low<T>(a.w[i]);
    x[2 * i + 1] = high<T>(a.w[i]);
  }
}

DEVICE void store8(float* p, const float (&x)[8]) {
  Words4 a, b;
#pragma unroll
  for (int i = 0; i < 4; i++) {
    a.w[i] = __float_as_uint(x[i]);
    b.w[i] = __float_as_uint(x[4 + i]);
  }
  *reinterpret_cast<Words4*>(p) = a;
  *reinterpret_cast<Words4*>(p + 4) = b;
}

template <class T>
DEVICE void store8(T* p, const float (&x)[8]) {
  Words4 a;
#pragma unroll
  for (int i = 0; i < 4; i++) a.w[i] = pack2<T>(x[2 * i], x[2 * i + 1]);
  *reinterpret_cast<Words4*>(p) = a;
}

// Elements [from, from + 8) of a run of count, zero beyond its end; vector says that every multiple
// of eight in the run is 16-byte aligned.
template <class T>
DEVICE void load8_or_zero(const T* run, i64 from, i64 count, bool vector, float (&x)[8]) {
  if (vector && from + 8 <= count) {
    load8(run + from, x);
    return;
  }
#pragma unroll
  for (int i = 0; i < 8; i++) x[i] = from + i < count ? widen(run[from + i]) : 0.f;
}

template <class T>
DEVICE void store8_within(T* run, i64 from, i64 count, bool vector, const float (&x)[8]) {
  if (vector && from + 8 <= count) {
    store8(run + from, x);
    return;
  }
#pragma unroll
  for (int i = 0; i < 8; i++) {
    if (from + i < count) run[from + i] = narrow_to<T>(x[i]);
  }
}

// Elements at and at + 1 of a row of count in a word, zero beyond its end.
template <class T>
DEVICE u32 pair_or_zero(const T* row, int at, int count) {
  const u32 first = at < count ? row[at].bits : 0, second = at + 1 < count ? row[at + 1].bits : 0;
  return first | second << 16;
}

// Whether rows of count elements all start on 16 bytes.
template <class T>
DEVICE bool rows_aligned(const T* p, i64 count) {
  return aligned16(p) && count * static_cast<i64>(sizeof(T)) % 16 == 0;
}

// ---- reductions ------------------------------------------------------------------------------

DEVICE float warp_sum(float x) {
#pragma unroll
  for (int step = 16; step > 0; step >>= 1) x += __shfl_xor_sync(kAllLanes, x, step);
  return x;
}

DEVICE float warp_max(float x) {
#pragma unroll
  for (int step = 16; step > 0; step >>= 1) x = fmaxf(x, __shfl_xor_sync(kAllLanes, x, step));
  return x;
}

// The sum over a block of up to 1024 threads, given to all of them. scratch: 32 floats, free again
// when the next barrier has passed.
DEVICE float block_sum(float x, float* scratch) {
  const int lane = threadIdx.x & 31, warp = threadIdx.x >> 5;
  const int warps = (blockDim.x + 31) >> 5;
  x = warp_sum(x);
  if (lane == 0) scratch[warp] = x;
  __syncthreads();
  return warp_sum(lane < warps ? scratch[lane] : 0.f);
}

DEVICE float block_max(float x, float* scratch) {
  const int lane = threadIdx.x & 31, warp = threadIdx.x >> 5;
  const int warps = (blockDim.x + 31) >> 5;
  x = warp_max(x);
  if (lane == 0) scratch[warp] = x;
  __syncthreads();
  return warp_max(lane < warps ? scratch[lane] : -INFINITY);
}
