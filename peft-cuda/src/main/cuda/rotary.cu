// Rotary position embedding in place, Hugging Face's layout: element i of a head turns with element
// i + half. The backward pass is the rotation the other way (direction -1).
//
// Floor: bytes moved = 2 tokens heads head_dim sizeof(T); the tables come from the cache.
#include "device.cuh"

namespace {

// x: [tokens, heads, 2 half] with token_stride elements from token to token; cosine, sine:
// [positions, half]; position: [tokens].
template <class T>
DEVICE void rotate(T* x, const float* cosine, const float* sine, const int* position, int tokens,
                   int heads, int half, i64 token_stride, float direction) {
  const int chunks = (half + 7) / 8;
  const i64 index = static_cast<i64>(blockIdx.x) * blockDim.x + threadIdx.x;
  if (index >= static_cast<i64>(tokens) * heads * chunks) return;
  const int i = static_cast<int>(index % chunks) * 8;
  const i64 head = index / chunks % heads, token = index / chunks / heads;
  T* const first = x + token * token_stride + head * 2 * half;
  const i64 row = static_cast<i64>(position[token]) * half;
  const bool vector = half % 8 == 0 && aligned16(x) && token_stride % 8 == 0;
  const bool tables = half % 4 == 0 && aligned16(cosine) && aligned16(sine);
  float a[8], b[8], c[8], s[8];
  load8_or_zero(first, i, half, vector, a);
  load8_or_zero(first + half, i, half, vector, b);
  load8_or_zero(cosine + row, i, half, tables, c);
  load8_or_zero(sine + row, i, half, tables, s);
#pragma unroll
  for (int j = 0; j < 8; j++) {
    const float sj = s[j] * direction;
    const float turned = a[j] * c[j] - b[j] * sj;
    b[j] = b[j] * c[j] + a[j] * sj;
    a[j] = turned;
  }
  store8_within(first, i, half, vector, a);
  store8_within(first + half, i, half, vector, b);
}

}  // namespace

#define ROTARY(suffix, T)                                                                          \
  KERNEL(rotary_##suffix, 256,                                                                     \
         (T * x, const float* cosine, const float* sine, const int* position, int tokens, int heads, \
          int half, i64 token_stride, float direction)) {                                          \
    rotate<T>(x, cosine, sine, position, tokens, heads, half, token_stride, direction);            \
  }

ROTARY(f32, float)
ROTARY(f16, F16)
ROTARY(bf16, BF16)
