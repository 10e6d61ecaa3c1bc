// Float weights to 4-bit codes and block scales.
//
// Floor: bytes moved = count * (sizeof(T) + 1/2 + 4/block_size). The second look at a block, to code
// it, hits the first-level cache.
#include "device.cuh"

namespace {

constexpr float kSmallestScale = 1e-38f;  // bitsandbytes puts it in place of a smaller one

// How many of the fifteen ascending midpoints lie below x: the rank of the nearest level.
DEVICE int rank_of(const float* midpoints, float x) {
  int rank = 0;
#pragma unroll
  for (int step = 8; step > 0; step >>= 1) rank += x > midpoints[rank + step - 1] ? step : 0;
  return rank;
}

// A warp codes a block. A short last block is divided by its scale where whole ones are multiplied
// by its inverse, as bitsandbytes does on the CPU. A NaN or infinity shows in absmax: magnitudes are
// compared as integers, where NaN is the largest.
template <class T>
DEVICE void quantize(const T* x, i64 count, int block_size, const float* midpoints_in,
                     const u8* code_of_rank_in, u8* codes, float* absmax) {
  __shared__ float midpoints[15];
  __shared__ u8 code_of_rank[16];
  if (threadIdx.x < 15) midpoints[threadIdx.x] = midpoints_in[threadIdx.x];
  if (threadIdx.x < 16) code_of_rank[threadIdx.x] = code_of_rank_in[threadIdx.x];
  __syncthreads();

  const int lane = threadIdx.x & 31;
  const i64 block = static_cast<i64>(blockIdx.x) * (blockDim.x >> 5) + (threadIdx.x >> 5);
  const i64 start = block * block_size;
  if (start >= count) return;
  const int length = static_cast<int>(min(static_cast<i64>(block_size), count - start));

  u32 magnitude = 0;
  for (int i = lane; i < length; i += 32) {
    magnitude = max(magnitude, __float_as_uint(widen(x[start + i])) & 0x7fffffffu);
  }
#pragma unroll
  for (int step = 16; step > 0; step >>= 1) {
    magnitude = max(magnitude, __shfl_xor_sync(kAllLanes, magnitude, step));
  }
  const float largest = __uint_as_float(magnitude);
  const float scale = magnitude > 0x7f800000u ? largest : fmaxf(largest, kSmallestScale);
  const bool whole = length == block_size;
  const float inverse = __fdiv_rn(1.f, scale);
  if (lane == 0) absmax[block] = whole ? largest : scale;

  for (int byte = lane; byte < (length + 1) / 2; byte += 32) {
    int pair = 0;
#pragma unroll
    for (int i = 0; i < 2; i++) {
      const int at = 2 * byte + i;
      const float value = at < length ? widen(x[start + at]) : 0.f;  // an odd count is padded
      const float scaled = whole ? __fmul_rn(value, inverse) : __fdiv_rn(value, scale);
      pair = pair << 4 | code_of_rank[rank_of(midpoints, scaled)];
    }
    codes[start / 2 + byte] = static_cast<u8>(pair);
  }
}

}  // namespace

#define QUANTIZE(suffix, T)                                                                   \
  KERNEL(quantize_##suffix, 256,                                                              \
         (const T* x, i64 count, int block_size, const float* midpoints, const u8* code_of_rank, \
          u8* codes, float* absmax)) {                                                        \
    quantize<T>(x, count, block_size, midpoints, code_of_rank, codes, absmax);                \
  }

QUANTIZE(f32, float)
QUANTIZE(f16, F16)
QUANTIZE(bf16, BF16)
