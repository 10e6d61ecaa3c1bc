// CUDA C++'s device language for the CPU, as far as the kernels use it. The engine runs each thread
// of a block as a fiber; barriers and warp operations switch between them.
#pragma once
#include <algorithm>
#include <cmath>
#include <cstdint>
#include <cstring>

#include "engine.h"

#define DEVICE inline __attribute__((always_inline))
#define __device__
#define __host__
#define __restrict__ __restrict
// one block runs on one operating system thread at a time, so its shared variables are that thread's
#define __shared__ static thread_local
#define SHARED_BYTES unsigned char* const shared_bytes = standin::dynamic_shared()

#define KERNEL(name, threads, params)                                          \
  void name params;                                                            \
  static const standin::Registration name##_registration(#name, threads, &name); \
  void name params

#define threadIdx (standin::thread_index())
#define blockIdx (standin::block_index())
#define blockDim (standin::block_shape())
#define gridDim (standin::grid_shape())

inline void __syncthreads() { standin::block_barrier(); }
inline void __syncwarp(unsigned mask = 0xffffffffu) { standin::warp_exchange(mask, 0); }

inline float __uint_as_float(unsigned x) {
  float y;
  std::memcpy(&y, &x, 4);
  return y;
}
inline unsigned __float_as_uint(float x) {
  unsigned y;
  std::memcpy(&y, &x, 4);
  return y;
}

template <class T>
T shuffle(unsigned mask, T value, int source) {
  static_assert(sizeof(T) <= 8);
  uint64_t word = 0;
  std::memcpy(&word, &value, sizeof(T));
  const uint64_t* all = standin::warp_exchange(mask, word);
  T result;
  std::memcpy(&result, all + (source & 31), sizeof(T));
  return result;
}
template <class T>
T __shfl_sync(unsigned mask, T value, int source) {
  return shuffle(mask, value, source);
}
template <class T>
T __shfl_xor_sync(unsigned mask, T value, int bits) {
  return shuffle(mask, value, static_cast<int>(threadIdx.x & 31) ^ bits);
}
template <class T>
T __shfl_down_sync(unsigned mask, T value, int delta) {
  const int source = static_cast<int>(threadIdx.x & 31) + delta;
  return shuffle(mask, value, source > 31 ? static_cast<int>(threadIdx.x & 31) : source);
}

template <class T>
T __ldg(const T* p) {
  return *p;
}
inline float __fmul_rn(float a, float b) { return a * b; }
inline float __fadd_rn(float a, float b) { return a + b; }
inline float __fsub_rn(float a, float b) { return a - b; }
inline float __fdiv_rn(float a, float b) { return a / b; }
inline float __fsqrt_rn(float a) { return std::sqrt(a); }
inline float __fmaf_rn(float a, float b, float c) { return std::fma(a, b, c); }
inline float rsqrtf(float x) { return 1.0f / std::sqrt(x); }
inline float __expf(float x) { return std::exp(x); }
inline float __logf(float x) { return std::log(x); }
inline float __fdividef(float a, float b) { return a / b; }
using std::max;
using std::min;

namespace standin {

inline float half_to_float(uint16_t half) {
  const uint32_t sign = static_cast<uint32_t>(half & 0x8000u) << 16;
  const uint32_t exponent = half >> 10 & 31, mantissa = half & 0x3ffu;
  if (exponent == 31) return __uint_as_float(sign | 0x7f800000u | mantissa << 13);
  if (exponent == 0) {
    const float magnitude = static_cast<float>(mantissa) * 0x1p-24f;
    return sign ? -magnitude : magnitude;
  }
  return __uint_as_float(sign | (exponent + 112) << 23 | mantissa << 13);
}

inline uint16_t float_to_half(float x) {
  const uint32_t bits = __float_as_uint(x);
  const uint16_t sign = static_cast<uint16_t>(bits >> 16 & 0x8000u);
  const uint32_t magnitude = bits & 0x7fffffffu;
  if (magnitude > 0x7f800000u) return sign | 0x7fffu;
  if (magnitude >= 0x477ff000u) return sign | 0x7c00u;
  if (magnitude < 0x38800000u) {  // subnormal: units of 2^-24, the default rounding is ties to even
    return sign | static_cast<uint16_t>(std::nearbyint(std::fabs(x) * 0x1p24f));
  }
  const uint32_t rounded = magnitude + 0xfffu + (magnitude >> 13 & 1u);
  return sign | static_cast<uint16_t>((rounded >> 13) - (112u << 10));
}

inline void load_matrices(unsigned (&out)[4], const void* row, bool transposed) {
  const uint64_t* rows = warp_exchange(0xffffffffu, reinterpret_cast<uintptr_t>(row));
  const int lane = static_cast<int>(threadIdx.x & 31);
  for (int matrix = 0; matrix < 4; matrix++) {
    uint16_t pair[2];
    for (int i = 0; i < 2; i++) {
      const int r = transposed ? 2 * (lane & 3) + i : lane >> 2;
      const int c = transposed ? lane >> 2 : 2 * (lane & 3) + i;
      std::memcpy(&pair[i], reinterpret_cast<const char*>(rows[8 * matrix + r]) + 2 * c, 2);
    }
    out[matrix] = static_cast<unsigned>(pair[0]) | static_cast<unsigned>(pair[1]) << 16;
  }
  // nobody writes the rows before all have read them, as the hardware has it
  warp_exchange(0xffffffffu, 0);
}

}  // namespace standin
