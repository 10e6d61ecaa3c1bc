// y = silu(gate) * up, silu(g) = g / (1 + exp(-g)).
//
// Floors: forward 3 count sizeof(T) bytes, backward 5 count sizeof(T).
#include "device.cuh"

namespace {

template <class T>
DEVICE void forward(const T* gate, const T* up, T* y, i64 count) {
  const bool vector = aligned16(gate) && aligned16(up) && aligned16(y);
  const i64 stride = static_cast<i64>(gridDim.x) * blockDim.x * 8;
  for (i64 i = (static_cast<i64>(blockIdx.x) * blockDim.x + threadIdx.x) * 8; i < count; i += stride) {
    float g[8], u[8];
    load8_or_zero(gate, i, count, vector, g);
    load8_or_zero(up, i, count, vector, u);
#pragma unroll
    for (int j = 0; j < 8; j++) u[j] *= g[j] / (1.f + __expf(-g[j]));
    store8_within(y, i, count, vector, u);
  }
}

// With s = sigmoid(g): dgate = dy u s (1 + g (1 - s)), dup = dy g s. dgate may be gate, dup may be up.
template <class T>
DEVICE void backward(const T* dy, const T* gate, const T* up, T* dgate, T* dup, i64 count) {
  const bool vector =
      aligned16(dy) && aligned16(gate) && aligned16(up) && aligned16(dgate) && aligned16(dup);
  const i64 stride = static_cast<i64>(gridDim.x) * blockDim.x * 8;
  for (i64 i = (static_cast<i64>(blockIdx.x) * blockDim.x + threadIdx.x) * 8; i < count; i += stride) {
    float d[8], g[8], u[8];
    load8_or_zero(dy, i, count, vector, d);
    load8_or_zero(gate, i, count, vector, g);
    load8_or_zero(up, i, count, vector, u);
#pragma unroll
    for (int j = 0; j < 8; j++) {
      const float s = 1.f / (1.f + __expf(-g[j]));
      const float du = d[j] * g[j] * s;
      g[j] = d[j] * u[j] * s * (1.f + g[j] * (1.f - s));
      u[j] = du;
    }
    store8_within(dgate, i, count, vector, g);
    store8_within(dup, i, count, vector, u);
  }
}

}  // namespace

#define SWIGLU(suffix, T)                                                                       \
  KERNEL(swiglu_##suffix, 256, (const T* gate, const T* up, T* y, i64 count)) {                 \
    forward<T>(gate, up, y, count);                                                             \
  }                                                                                             \
  KERNEL(swiglu_backward_##suffix, 256,                                                         \
         (const T* dy, const T* gate, const T* up, T* dgate, T* dup, i64 count)) {              \
    backward<T>(dy, gate, up, dgate, dup, count);                                               \
  }

SWIGLU(f32, float)
SWIGLU(f16, F16)
SWIGLU(bf16, BF16)
