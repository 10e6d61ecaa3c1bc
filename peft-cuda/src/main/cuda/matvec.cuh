// Y = X Wᵀ for few rows (decoding), straight from 4-bit weights, with LoRA's z Bᵀ and a bias added
// before Y is written; and products of any shape, for what the tensor-core path leaves out.
//
// Floor: bytes moved = N K (1/2 + scale bytes / block size) + sizeof(T) (rows K + rows N). X is read
// again by every warp, out of the first-level cache.
#pragma once
#include "four_bit.cuh"

namespace {

constexpr int kColumns = 2;  // of Y, a warp
constexpr int kWarps = 4;

// What is added to column n of row m by lane: its part of z[m]·B[n].
template <class T>
DEVICE float lora_part(const T* z, const T* b, int rank, int z_stride, i64 m, i64 n) {
  float sum = 0.f;
  for (int r = threadIdx.x & 31; r < rank; r += 32) {
    sum += widen(z[m * z_stride + r]) * widen(b[n * rank + r]);
  }
  return sum;
}

// x: [rows, K], y: [rows, N], z: [rows, z_stride] or null, b: [N, rank], bias: [N] or null.
// Blocks along y take kRows rows each. A lane takes 32 elements (16 bytes) of a row of W at a time:
// they share a scale, which is applied to their sum. K is a multiple of 32, x and codes are 16-byte
// aligned.
template <class T, int kRows>
DEVICE void matvec(const T* x, const Weight& w, T* y, int rows, int n_total, int k_total, const T* z,
                   const T* b, int rank, int z_stride, const T* bias) {
  __shared__ float table[kTableFloats];
  fill_table(table, w.levels);
  __syncthreads();

  const int lane = threadIdx.x & 31;
  const int n0 = (blockIdx.x * kWarps + (threadIdx.x >> 5)) * kColumns;
  const int m0 = blockIdx.y * kRows;
  if (n0 >= n_total) return;
  float sum[kRows][kColumns] = {};

  for (int k = lane * 32; k < k_total; k += 1024) {
    Words4 packed[kColumns];
    float scale[kColumns];
#pragma unroll
    for (int c = 0; c < kColumns; c++) {
      const i64 element = static_cast<i64>(min(n0 + c, n_total - 1)) * k_total + k;
      packed[c] = *reinterpret_cast<const Words4*>(w.codes + element / 2);
      scale[c] = scale_of_element(w, element);
    }
    float part[kRows][kColumns] = {};
#pragma unroll
    for (int word = 0; word < 4; word++) {
      float level[kColumns][8];
#pragma unroll
      for (int c = 0; c < kColumns; c++) decode8(table, packed[c].w[word], level[c]);
#pragma unroll
      for (int m = 0; m < kRows; m++) {
        float values[8];
        load8(x + static_cast<i64>(min(m0 + m, rows - 1)) * k_total + k + 8 * word, values);
#pragma unroll
        for (int c = 0; c < kColumns; c++) {
#pragma unroll
          for (int i = 0; i < 8; i++) part[m][c] += values[i] * level[c][i];
        }
      }
    }
#pragma unroll
    for (int m = 0; m < kRows; m++) {
#pragma unroll
      for (int c = 0; c < kColumns; c++) sum[m][c] += scale[c] * part[m][c];
    }
  }

#pragma unroll
  for (int m = 0; m < kRows; m++) {
#pragma unroll
    for (int c = 0; c < kColumns; c++) {
      const bool wanted = m0 + m < rows && n0 + c < n_total;  // the same in all lanes
      if (wanted && rank > 0) sum[m][c] += lora_part(z, b, rank, z_stride, m0 + m, n0 + c);
      const float total = warp_sum(sum[m][c]);
      if (wanted && lane == 0) {
        const float added = bias == nullptr ? 0.f : widen(bias[n0 + c]);
        y[static_cast<i64>(m0 + m) * n_total + n0 + c] = narrow_to<T>(total + added);
      }
    }
  }
}

// The same for any K: a warp a result.
template <class T>
DEVICE void matvec_any(const T* x, const Weight& w, T* y, int n_total, int k_total, const T* z,
                       const T* b, int rank, int z_stride, const T* bias) {
  const int lane = threadIdx.x & 31;
  const int n = blockIdx.x * kWarps + (threadIdx.x >> 5);
  const i64 m = blockIdx.y;
  if (n >= n_total) return;
  float sum = 0.f;
  for (int k = lane; k < k_total; k += 32) {
    sum += widen(x[m * k_total + k]) * weight_at(w, static_cast<i64>(n) * k_total + k);
  }
  if (rank > 0) sum += lora_part(z, b, rank, z_stride, m, n);
  const float total = warp_sum(sum);
  if (lane != 0) return;
  y[m * n_total + n] = narrow_to<T>(bias == nullptr ? total : total + widen(bias[n]));
}

// dX = dY W + z A for any shape: a thread a column of dX, kRows rows at a time. W is read once for
// each group of rows.
template <class T, int kRows>
DEVICE void gradient_any(const T* dy, const Weight& w, T* dx, int rows, int n_total, int k_total,
                         const T* z, const T* a, int rank, int z_stride, int accumulate) {
  const int k = blockIdx.x * blockDim.x + threadIdx.x;
  const int m0 = blockIdx.y * kRows;
  if (k >= k_total) return;
  float sum[kRows] = {};
  for (int n = 0; n < n_total; n++) {
    const float value = weight_at(w, static_cast<i64>(n) * k_total + k);
#pragma unroll
    for (int m = 0; m < kRows; m++) {
      sum[m] += widen(dy[static_cast<i64>(min(m0 + m, rows - 1)) * n_total + n]) * value;
    }
  }
  for (int m = 0; m < kRows && m0 + m < rows; m++) {
    for (int r = 0; r < rank; r++) {
      sum[m] += widen(z[static_cast<i64>(m0 + m) * z_stride + r]) *
                widen(a[static_cast<i64>(r) * k_total + k]);
    }
    T* out = dx + static_cast<i64>(m0 + m) * k_total + k;
    *out = narrow_to<T>(accumulate ? widen(*out) + sum[m] : sum[m]);
  }
}

}  // namespace

#define MATVEC(suffix, T, R)                                                                        \
  KERNEL(matvec##R##_##suffix, 128,                                                                 \
         (const T* x, Weight w, T* y, int rows, int n, int k, const T* z, const T* b, int rank,     \
          int z_stride, const T* bias)) {                                                           \
    matvec<T, R>(x, w, y, rows, n, k, z, b, rank, z_stride, bias);                                  \
  }
#define MATVEC_ANY(suffix, T)                                                                       \
  KERNEL(matvec_any_##suffix, 128,                                                                  \
         (const T* x, Weight w, T* y, int n, int k, const T* z, const T* b, int rank, int z_stride, \
          const T* bias)) {                                                                         \
    matvec_any<T>(x, w, y, n, k, z, b, rank, z_stride, bias);                                       \
  }
#define GRADIENT_ANY(suffix, T)                                                                     \
  KERNEL(gradient_any_##suffix, 128,                                                                \
         (const T* dy, Weight w, T* dx, int rows, int n, int k, const T* z, const T* a, int rank,   \
          int z_stride, int accumulate)) {                                                          \
    gradient_any<T, 4>(dy, w, dx, rows, n, k, z, a, rank, z_stride, accumulate);                    \
  }
// A source file a type: a driver that assembles one leaves the others alone.
#define MATVECS(suffix, T) \
  MATVEC(suffix, T, 1)     \
  MATVEC(suffix, T, 4)     \
  MATVEC(suffix, T, 8)     \
  MATVEC_ANY(suffix, T)    \
  GRADIENT_ANY(suffix, T)
