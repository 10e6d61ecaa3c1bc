// Root-mean-square norm: y = x * rstd * (offset + weight), rstd = 1 / sqrt(mean(x²) + eps), a block a
// row. offset is 1 for the Gemma family, else 0.
//
// Floors: forward 2 rows H sizeof(T) bytes; backward 3 rows H sizeof(T), and to the weight another
// 2 rows H sizeof(T). A row's second pass comes from the first-level cache.
#include "device.cuh"

namespace {

template <class T>
DEVICE void forward(const T* x, const T* weight, T* y, float* rstd, int width, float eps, float offset) {
  __shared__ float scratch[32];
  const i64 row = blockIdx.x;
  const T* const in = x + row * width;
  const bool vector = rows_aligned(x, width) && aligned16(weight) && aligned16(y);
  float sum = 0.f;
  for (int i = threadIdx.x * 8; i < width; i += blockDim.x * 8) {
    float v[8];
    load8_or_zero(in, i, width, vector, v);
#pragma unroll
    for (int j = 0; j < 8; j++) sum += v[j] * v[j];
  }
  const float inverse = rsqrtf(block_sum(sum, scratch) / static_cast<float>(width) + eps);
  if (threadIdx.x == 0) rstd[row] = inverse;
  for (int i = threadIdx.x * 8; i < width; i += blockDim.x * 8) {
    float v[8], g[8];
    load8_or_zero(in, i, width, vector, v);
    load8_or_zero(weight, i, width, vector, g);
#pragma unroll
    for (int j = 0; j < 8; j++) v[j] = v[j] * inverse * (offset + g[j]);
    store8_within(y + row * width, i, width, vector, v);
  }
}

// With n = x * rstd and g = dy * (offset + weight): dx = rstd * (g - n * mean(g n)).
template <class T>
DEVICE void backward(const T* dy, const T* x, const T* weight, const float* rstd, T* dx, int width,
                     float offset) {
  __shared__ float scratch[32];
  const i64 row = blockIdx.x;
  const float inverse = rstd[row];
  const bool vector =
      rows_aligned(x, width) && aligned16(dy) && aligned16(weight) && aligned16(dx);
  float sum = 0.f;
  for (int i = threadIdx.x * 8; i < width; i += blockDim.x * 8) {
    float v[8], g[8], d[8];
    load8_or_zero(x + row * width, i, width, vector, v);
    load8_or_zero(weight, i, width, vector, g);
    load8_or_zero(dy + row * width, i, width, vector, d);
#pragma unroll
    for (int j = 0; j < 8; j++) sum += d[j] * (offset + g[j]) * v[j];
  }
  const float mean = block_sum(sum, scratch) * inverse / static_cast<float>(width);
  for (int i = threadIdx.x * 8; i < width; i += blockDim.x * 8) {
    float v[8], g[8], d[8];
    load8_or_zero(x + row * width, i, width, vector, v);
    load8_or_zero(weight, i, width, vector, g);
    load8_or_zero(dy + row * width, i, width, vector, d);
#pragma unroll
    for (int j = 0; j < 8; j++) d[j] = inverse * (d[j] * (offset + g[j]) - v[j] * inverse * mean);
    store8_within(dx + row * width, i, width, vector, d);
  }
}

// dweight[c] = sum over rows of dy x rstd, in a fixed order: a block of 32 columns by 8 strides of
// rows, float32 whatever T is.
template <class T>
DEVICE void weight_gradient(const T* dy, const T* x, const float* rstd, float* dweight, int rows,
                            int width) {
  __shared__ float part[8][32];
  const int lane = threadIdx.x & 31, stride = threadIdx.x >> 5;
  const int column = blockIdx.x * 32 + lane;
  float sum = 0.f;
  if (column < width) {
    for (int r = stride; r < rows; r += 8) {
      const i64 at = static_cast<i64>(r) * width + column;
      sum += widen(dy[at]) * widen(x[at]) * rstd[r];
    }
  }
  part[stride][lane] = sum;
  __syncthreads();
  if (stride == 0 && column < width) {
    for (int s = 1; s < 8; s++) sum += part[s][lane];
    dweight[column] = sum;
  }
}

}  // namespace

#define RMS_NORM(suffix, T)                                                                       \
  KERNEL(rms_norm_##suffix, 256,                                                                  \
         (const T* x, const T* weight, T* y, float* rstd, int width, float eps, float offset)) {  \
    forward<T>(x, weight, y, rstd, width, eps, offset);                                           \
  }                                                                                               \
  KERNEL(rms_norm_backward_##suffix, 256,                                                         \
         (const T* dy, const T* x, const T* weight, const float* rstd, T* dx, int width,          \
          float offset)) {                                                                        \
    backward<T>(dy, x, weight, rstd, dx, width, offset);                                          \
  }                                                                                               \
  KERNEL(rms_norm_weight_##suffix, 256,                                                           \
         (const T* dy, const T* x, const float* rstd, float* dweight, int rows, int width)) {     \
    weight_gradient<T>(dy, x, rstd, dweight, rows, width);                                        \
  }

RMS_NORM(f32, float)
RMS_NORM(f16, F16)
RMS_NORM(bf16, BF16)
