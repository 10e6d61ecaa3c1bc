// 4-bit weights to floats.
//
// Floor: bytes moved = count * (1/2 + sizeof(T) + scale bytes / block size). Each thread turns four
// bytes into eight elements, so a warp loads 128 consecutive bytes and stores 16-byte vectors that
// are consecutive across its lanes.
#include "four_bit.cuh"

namespace {

constexpr int kUnroll = 4;  // groups of eight a thread has in flight

template <class T>
DEVICE void dequantize(const Weight& w, T* out, i64 count) {
  __shared__ float table[kTableFloats];
  fill_table(table, w.levels);
  __syncthreads();

  const i64 groups = (count + 7) / 8;
  const i64 stride = static_cast<i64>(gridDim.x) * blockDim.x;
  const bool vector = aligned16(out) && (reinterpret_cast<unsigned long long>(w.codes) & 3) == 0;
  for (i64 first = static_cast<i64>(blockIdx.x) * blockDim.x + threadIdx.x; first < groups;
       first += kUnroll * stride) {
    u32 packed[kUnroll];
    float scale[kUnroll];
#pragma unroll
    for (int u = 0; u < kUnroll; u++) {
      const i64 group = first + u * stride;
      if (vector && group * 8 + 8 <= count) {
        packed[u] = __ldg(reinterpret_cast<const u32*>(w.codes) + group);
        scale[u] = scale_of_element(w, group * 8);
      }
    }
#pragma unroll
    for (int u = 0; u < kUnroll; u++) {
      const i64 group = first + u * stride;
      if (vector && group * 8 + 8 <= count) {
        float x[8];
        decode8(table, packed[u], x);
#pragma unroll
        for (int i = 0; i < 8; i++) x[i] = __fmul_rn(x[i], scale[u]);
        store8(out + group * 8, x);
      } else if (group < groups) {
        for (i64 i = group * 8; i < min(group * 8 + 8, count); i++) {
          out[i] = narrow_to<T>(weight_at(w, i));
        }
      }
    }
  }
}

}  // namespace

#define DEQUANTIZE(suffix, T)                                        \
  KERNEL(dequantize_##suffix, 256, (Weight w, T * out, i64 count)) { \
    dequantize<T>(w, out, count);                                    \
  }

DEQUANTIZE(f32, float)
DEQUANTIZE(f16, F16)
DEQUANTIZE(bf16, BF16)
