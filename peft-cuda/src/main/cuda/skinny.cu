// Y = X Wᵀ (+ z Bᵀ + bias) for 9 to 64 rows, straight from 4-bit weights on tensor cores: between the
// matrix-vector kernel, which would run out of arithmetic, and the tiles of matmul.cu, which would be
// mostly empty.
//
// Floor: bytes moved = N K (1/2 + scale bytes / block size) + 2 (rows K + rows N). W is read once and
// never leaves the registers: the order of a sum is free, so the 32 elements of W that a lane loads at
// once are its part of eight products, and its elements of X are consecutive too.
#include "four_bit.cuh"
#include "tensor_core.cuh"

namespace {

constexpr int kColumns = 32;  // of Y, a block
constexpr int kWarps = 8;     // share the depth
constexpr int kPitch = kColumns + 1;

// Eight elements of row m from k on, or zeros.
template <class T>
DEVICE Words4 load_x(const T* x, int m, int rows, int k, int k_total) {
  if (m >= rows || k >= k_total) return Words4{{0, 0, 0, 0}};
  return *reinterpret_cast<const Words4*>(x + static_cast<i64>(m) * k_total + k);
}

// sum += the products of 128 elements of depth from k0 on.
template <class T, int kTiles>
DEVICE void multiply_chunk(const T* x, const Weight& w, const float* table, int rows, int m0, int n0,
                           int n_total, int k0, int k_total, float (&sum)[kTiles][4][4]) {
  const int lane = threadIdx.x & 31, group = lane >> 2, t = lane & 3;
  const int k = k0 + 32 * t;
  Words4 packed[4];
  float scale[4];
#pragma unroll
  for (int j = 0; j < 4; j++) {
    const int n = n0 + 8 * j + group;
    const bool present = n < n_total && k < k_total;
    const i64 element = present ? static_cast<i64>(n) * k_total + k : 0;
    packed[j] = *reinterpret_cast<const Words4*>(w.codes + element / 2);
    scale[j] = present ? scale_of_element(w, element) : 0.f;
  }
#pragma unroll
  for (int word = 0; word < 4; word++) {
    Words4 top[kTiles], bottom[kTiles];
#pragma unroll
    for (int i = 0; i < kTiles; i++) {
      top[i] = load_x(x, m0 + 16 * i + group, rows, k + 8 * word, k_total);
      bottom[i] = load_x(x, m0 + 16 * i + group + 8, rows, k + 8 * word, k_total);
    }
#pragma unroll
    for (int j = 0; j < 4; j++) {
      float level[8];
      decode8(table, packed[j].w[word], level);
#pragma unroll
      for (int half = 0; half < 2; half++) {
        const float* const four = level + 4 * half;
        const u32 b[2] = {pack2<T>(four[0] * scale[j], four[1] * scale[j]),
                          pack2<T>(four[2] * scale[j], four[3] * scale[j])};
#pragma unroll
        for (int i = 0; i < kTiles; i++) {
          const u32 a[4] = {top[i].w[2 * half], bottom[i].w[2 * half], top[i].w[2 * half + 1],
                            bottom[i].w[2 * half + 1]};
          mma<T>(sum[i][j], a, b);
        }
      }
    }
  }
}

// sum += sixteen ranks of z Bᵀ from r0 on.
template <class T, int kTiles>
DEVICE void multiply_lora(const T* z, const T* b, int rows, int m0, int n0, int n_total, int r0,
                          int rank, int z_stride, float (&sum)[kTiles][4][4]) {
  const int lane = threadIdx.x & 31, group = lane >> 2;
  const int r = r0 + 2 * (lane & 3);
#pragma unroll
  for (int i = 0; i < kTiles; i++) {
    const int m = m0 + 16 * i + group;
    const T* const top = z + static_cast<i64>(m) * z_stride;
    const T* const bottom = top + static_cast<i64>(8) * z_stride;
    const int top_count = m < rows ? rank : 0, bottom_count = m + 8 < rows ? rank : 0;
    const u32 left[4] = {
        pair_or_zero(top, r, top_count), pair_or_zero(bottom, r, bottom_count),
        pair_or_zero(top, r + 8, top_count), pair_or_zero(bottom, r + 8, bottom_count)};
#pragma unroll
    for (int j = 0; j < 4; j++) {
      const int n = n0 + 8 * j + group;
      const T* const row = b + static_cast<i64>(n) * rank;
      const int count = n < n_total ? rank : 0;
      const u32 right[2] = {pair_or_zero(row, r, count), pair_or_zero(row, r + 8, count)};
      mma<T>(sum[i][j], left, right);
    }
  }
}

// Blocks: (N / 32, rows / (16 kTiles)), rounded up. K is a multiple of 32; x and codes are 16-byte
// aligned.
template <class T, int kTiles>
DEVICE void skinny(const T* x, const Weight& w, T* y, int rows, int n_total, int k_total, const T* z,
                   const T* b, int rank, int z_stride, const T* bias) {
  __shared__ float table[kTableFloats];
  __shared__ float total[16 * kTiles * kPitch];
  fill_table(table, w.levels);
  __syncthreads();

  const int lane = threadIdx.x & 31, warp = threadIdx.x >> 5;
  const int n0 = blockIdx.x * kColumns, m0 = blockIdx.y * 16 * kTiles;
  float sum[kTiles][4][4] = {};
  for (int k0 = warp * 128; k0 < k_total; k0 += kWarps * 128) {
    multiply_chunk<T, kTiles>(x, w, table, rows, m0, n0, n_total, k0, k_total, sum);
  }
  for (int r0 = warp * 16; r0 < rank; r0 += kWarps * 16) {
    multiply_lora<T, kTiles>(z, b, rows, m0, n0, n_total, r0, rank, z_stride, sum);
  }

  for (int turn = 0; turn < kWarps; turn++) {  // in a fixed order: the same bits every time
    if (warp == turn) {
#pragma unroll
      for (int i = 0; i < kTiles; i++) {
#pragma unroll
        for (int j = 0; j < 4; j++) {
#pragma unroll
          for (int e = 0; e < 4; e++) {
            const int row = 16 * i + (lane >> 2) + (e >> 1) * 8;
            const int column = 8 * j + 2 * (lane & 3) + (e & 1);
            float* const at = total + row * kPitch + column;
            *at = turn == 0 ? sum[i][j][e] : *at + sum[i][j][e];
          }
        }
      }
    }
    __syncthreads();
  }
  for (int i = threadIdx.x; i < 16 * kTiles * kColumns; i += blockDim.x) {
    const int row = i / kColumns, column = i % kColumns;
    const i64 m = m0 + row;
    const int n = n0 + column;
    if (m >= rows || n >= n_total) continue;
    const float added = bias == nullptr ? 0.f : widen(bias[n]);
    y[m * n_total + n] = narrow_to<T>(total[row * kPitch + column] + added);
  }
}

}  // namespace

#define SKINNY(suffix, T, R, TILES)                                                                 \
  KERNEL(skinny##R##_##suffix, 256,                                                                 \
         (const T* x, Weight w, T* y, int rows, int n, int k, const T* z, const T* b, int rank,     \
          int z_stride, const T* bias)) {                                                           \
    skinny<T, TILES>(x, w, y, rows, n, k, z, b, rank, z_stride, bias);                              \
  }
#define ALL_OF(suffix, T)    \
  SKINNY(suffix, T, 16, 1)   \
  SKINNY(suffix, T, 32, 2)   \
  SKINNY(suffix, T, 64, 4)

ALL_OF(f16, F16)
ALL_OF(bf16, BF16)
