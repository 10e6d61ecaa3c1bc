// Cross entropy over a chunk of rows of logits, a block a row: the loss and log-sum-exp, then the
// gradient in place of the logits, so that no second array of their size exists.
//
// Floors: forward rows V sizeof(T) bytes, backward 2 rows V sizeof(T).
#include "device.cuh"

namespace {

// loss[row] = lse - logit[label], 0 where the label is ignored, NaN where it is no class.
template <class T>
DEVICE void forward(const T* logits, const i64* labels, float* loss, float* lse, int classes, i64 ignored) {
  __shared__ float scratch[64];
  const i64 row = blockIdx.x;
  const T* const in = logits + row * classes;
  const bool vector = rows_aligned(logits, classes);
  float most = -INFINITY, sum = 0.f;  // of this thread, the sum relative to exp(most)
  for (int i = threadIdx.x * 8; i < classes; i += blockDim.x * 8) {
    float v[8];
    load8_or_zero(in, i, classes, vector, v);
    float here = most;
#pragma unroll
    for (int j = 0; j < 8; j++) {
      if (i + j < classes) here = fmaxf(here, v[j]);
    }
    if (here == -INFINITY) continue;
    sum *= __expf(most - here);
#pragma unroll
    for (int j = 0; j < 8; j++) {
      if (i + j < classes) sum += __expf(v[j] - here);
    }
    most = here;
  }
  const float top = block_max(most, scratch);
  const float total = block_sum(most == -INFINITY ? 0.f : sum * __expf(most - top), scratch + 32);
  if (threadIdx.x != 0) return;
  const float log_sum = top + logf(total);
  const i64 label = labels[row];
  lse[row] = log_sum;
  if (label == ignored) {
    loss[row] = 0.f;
  } else {
    loss[row] = label < 0 || label >= classes ? NAN : log_sum - widen(in[label]);
  }
}

// logits = (softmax - onehot(label)) * scale; a row whose label is ignored or no class becomes zero.
template <class T>
DEVICE void backward(T* logits, const i64* labels, const float* lse, int classes, i64 ignored, float scale) {
  const i64 row = blockIdx.x;
  T* const in = logits + row * classes;
  const bool vector = rows_aligned(logits, classes);
  const i64 label = labels[row];
  const bool counts = label != ignored && label >= 0 && label < classes;
  const float log_sum = lse[row];
  for (int i = threadIdx.x * 8; i < classes; i += blockDim.x * 8) {
    float v[8] = {};
    if (counts) {
      load8_or_zero(in, i, classes, vector, v);
#pragma unroll
      for (int j = 0; j < 8; j++) {
        v[j] = (__expf(v[j] - log_sum) - (i + j == label ? 1.f : 0.f)) * scale;
      }
    }
    store8_within(in, i, classes, vector, v);
  }
}

}  // namespace

#define CROSS_ENTROPY(suffix, T)                                                                 \
  KERNEL(cross_entropy_##suffix, 512,                                                            \
         (const T* logits, const i64* labels, float* loss, float* lse, int classes, i64 ignored)) { \
    forward<T>(logits, labels, loss, lse, classes, ignored);                                     \
  }                                                                                              \
  KERNEL(cross_entropy_backward_##suffix, 512,                                                   \
         (T * logits, const i64* labels, const float* lse, int classes, i64 ignored, float scale)) { \
    backward<T>(logits, labels, lse, classes, ignored, scale);                                   \
  }

CROSS_ENTROPY(f32, float)
CROSS_ENTROPY(f16, F16)
CROSS_ENTROPY(bf16, BF16)
