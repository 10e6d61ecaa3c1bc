// Y = X Wᵀ (+ z Bᵀ + bias) and dX = dY W (+ z A) on tensor cores, straight from 4-bit weights: tiles
// of W are decoded into shared memory, never stored outside it. z = s X Aᵀ or s dY B comes from
// lora.cu; its product is more depth to the same accumulators, so Y is written once and never read.
//
// Floors: 2 rows N K operations; bytes moved = N K (1/2 + scale bytes / block size)
// + 2 (rows K + rows N).
//
// A block of eight warps makes 128 x 128 results, 64 deep at a step; a warp 64 x 32. Shared memory:
// two stages of the left operand (16 KiB each, filled asynchronously), one of W, the level table.
// 16-byte chunks are swizzled so that neither the stores nor ldmatrix meet a bank twice.
#include "four_bit.cuh"
#include "tensor_core.cuh"

namespace {

constexpr int kTile = 128, kDepth = 64, kThreads = 256;
constexpr int kStage = kTile * kDepth;  // elements

// Where chunk (of eight elements) of a row lies: rows of 64 elements, or of 128 when W is transposed.
DEVICE int at64(int row, int chunk) { return row * 64 + ((chunk ^ row) & 7) * 8; }
DEVICE int at128(int row, int chunk) {
  return row * 128 + ((chunk & 8) | ((chunk ^ row ^ (chunk >> 3 << 1)) & 7)) * 8;
}

// One problem; depth is K forward and N backward, columns the other.
template <class T, bool kBackward>
struct Product {
  const T* left;  // [rows, depth]
  const Weight& w;
  int rows, columns, depth;
  int k_total;
  const T* z;     // [rows, z_stride]
  const T* lora;  // forward B [columns, rank], backward A [rank, columns]
  int rank, z_stride;
  int row0, column0;

  DEVICE int main_steps() const { return (depth + kDepth - 1) / kDepth; }
  DEVICE int steps() const { return main_steps() + (rank + kDepth - 1) / kDepth; }

  DEVICE void start_left(T* stage, int step) const {
    const bool main = step < main_steps();
    const int d0 = (main ? step : step - main_steps()) * kDepth;
    const T* from = main ? left : z;
    const int stride = main ? depth : z_stride;
#pragma unroll
    for (int i = 0; i < kStage / 8 / kThreads; i++) {
      const int index = threadIdx.x + i * kThreads;
      const int row = index >> 3, chunk = index & 7;
      const bool present = row0 + row < rows && d0 + chunk * 8 < stride;
      const i64 offset = static_cast<i64>(row0 + row) * stride + d0 + chunk * 8;
      copy16(stage + at64(row, chunk), from + (present ? offset : 0), present);
    }
  }

  // This thread's 32 elements of a tile of W: row and first column in the tile.
  DEVICE int tile_row() const { return kBackward ? threadIdx.x >> 2 : threadIdx.x >> 1; }
  DEVICE int tile_column() const { return (kBackward ? threadIdx.x & 3 : threadIdx.x & 1) * 32; }

  DEVICE void load_codes(int step, Words4& packed, float& scale) const {
    packed = Words4{{0, 0, 0, 0}};
    scale = 0.f;
    if (step >= main_steps()) return;
    const int n = (kBackward ? step * kDepth : column0) + tile_row();
    const int k = (kBackward ? column0 : step * kDepth) + tile_column();
    const int n_total = kBackward ? depth : columns;
    if (n >= n_total || k >= k_total) return;
    const i64 element = static_cast<i64>(n) * k_total + k;
    packed = *reinterpret_cast<const Words4*>(w.codes + element / 2);
    scale = scale_of_element(w, element);
  }

  DEVICE void store_chunk(T* stage, int row, int chunk, const float (&x)[8]) const {
    store8(stage + (kBackward ? at128(row, chunk) : at64(row, chunk)), x);
  }

  DEVICE void store_weights(T* stage, const float* table, int step, const Words4& packed,
                            float scale) const {
    const int row = tile_row(), column = tile_column();
#pragma unroll
    for (int j = 0; j < 4; j++) {
      float x[8];
      if (step < main_steps()) {
        decode8(table, packed.w[j], x);
#pragma unroll
        for (int i = 0; i < 8; i++) x[i] *= scale;
      } else {
        load_lora(step, row, column + 8 * j, x);
      }
      store_chunk(stage, row, column / 8 + j, x);
    }
  }

  DEVICE void load_lora(int step, int row, int column, float (&x)[8]) const {
    const int d0 = (step - main_steps()) * kDepth;
#pragma unroll
    for (int i = 0; i < 8; i++) {
      const int r = kBackward ? d0 + row : d0 + column + i;
      const int c = kBackward ? column0 + column + i : column0 + row;
      const i64 offset = kBackward ? static_cast<i64>(r) * columns + c : static_cast<i64>(c) * rank + r;
      x[i] = r < rank && c < columns ? widen(lora[offset]) : 0.f;
    }
  }
};

template <class T, bool kBackward>
DEVICE void multiply_stage(const T* left, const T* right, float (&sum)[4][4][4]) {
  const int lane = threadIdx.x & 31, warp = threadIdx.x >> 5;
  const int row = (warp >> 2) * 64, column = (warp & 3) * 32;
#pragma unroll
  for (int d = 0; d < kDepth / 16; d++) {
    u32 a[4][4], b[4][2];
#pragma unroll
    for (int i = 0; i < 4; i++) {
      load_matrices<false>(a[i], left + at64(row + 16 * i + (lane & 15), 2 * d + (lane >> 4)));
    }
#pragma unroll
    for (int j = 0; j < 2; j++) {
      u32 four[4];
      if (kBackward) {
        const int r = 16 * d + (lane & 15), chunk = column / 8 + 2 * j + (lane >> 4);
        load_matrices<true>(four, right + at128(r, chunk));
      } else {
        const int r = column + 16 * j + (lane & 7) + (lane >> 4) * 8;
        load_matrices<false>(four, right + at64(r, 2 * d + (lane >> 3 & 1)));
      }
      b[2 * j][0] = four[0];
      b[2 * j][1] = four[1];
      b[2 * j + 1][0] = four[2];
      b[2 * j + 1][1] = four[3];
    }
#pragma unroll
    for (int i = 0; i < 4; i++) {
#pragma unroll
      for (int j = 0; j < 4; j++) mma<T>(sum[i][j], a[i], b[j]);
    }
  }
}

template <class T>
DEVICE void write(T* out, i64 row, int column, int rows, int columns, const T* bias, bool accumulate,
                  float first, float second) {
  if (row >= rows) return;
  T* const at = out + row * columns + column;
  float x[2] = {first, second};
#pragma unroll
  for (int i = 0; i < 2; i++) {
    if (column + i >= columns) continue;
    if (bias != nullptr) x[i] += widen(bias[column + i]);
    if (accumulate) x[i] += widen(at[i]);
  }
  if (column + 1 < columns && columns % 2 == 0) {
    *reinterpret_cast<u32*>(at) = pack2<T>(x[0], x[1]);
  } else {
    for (int i = 0; i < 2; i++) {
      if (column + i < columns) at[i] = narrow_to<T>(x[i]);
    }
  }
}

template <class T, bool kBackward>
DEVICE void multiply(const Product<T, kBackward>& p, T* out, const T* bias, bool accumulate) {
  SHARED_BYTES;
  T* const left = reinterpret_cast<T*>(shared_bytes);
  T* const right = left + 2 * kStage;
  float* const table = reinterpret_cast<float*>(right + kStage);
  fill_table(table, p.w.levels);

  float sum[4][4][4] = {};
  Words4 packed;
  float scale;
  p.start_left(left, 0);
  p.load_codes(0, packed, scale);
  const int steps = p.steps();
  for (int step = 0; step < steps; step++) {
    await_copies();
    __syncthreads();  // the left stage is there; all are done with the last step's
    p.store_weights(right, table, step, packed, scale);
    if (step + 1 < steps) {
      p.start_left(left + ((step + 1) & 1) * kStage, step + 1);
      p.load_codes(step + 1, packed, scale);
    }
    __syncthreads();
    multiply_stage<T, kBackward>(left + (step & 1) * kStage, right, sum);
  }

  const int lane = threadIdx.x & 31, warp = threadIdx.x >> 5;
#pragma unroll
  for (int i = 0; i < 4; i++) {
#pragma unroll
    for (int j = 0; j < 4; j++) {
      const i64 row = p.row0 + (warp >> 2) * 64 + 16 * i + (lane >> 2);
      const int column = p.column0 + (warp & 3) * 32 + 8 * j + 2 * (lane & 3);
      write(out, row, column, p.rows, p.columns, bias, accumulate, sum[i][j][0], sum[i][j][1]);
      write(out, row + 8, column, p.rows, p.columns, bias, accumulate, sum[i][j][2], sum[i][j][3]);
    }
  }
}

}  // namespace

// K is a multiple of 32, N of 8 backward; all pointers are 16-byte aligned. Blocks: (rows / 128,
// columns / 128), rounded up; 51,200 bytes of dynamic shared memory.
#define MATMUL(suffix, T)                                                                           \
  KERNEL(matmul_##suffix, kThreads,                                                                 \
         (const T* x, Weight w, T* y, int rows, int n, int k, const T* z, const T* b, int rank,     \
          int z_stride, const T* bias)) {                                                           \
    const Product<T, false> p{x, w, rows, n, k, k, z, b, rank, z_stride,                            \
                              static_cast<int>(blockIdx.x) * kTile,                                 \
                              static_cast<int>(blockIdx.y) * kTile};                                \
    multiply<T, false>(p, y, bias, false);                                                          \
  }                                                                                                 \
  KERNEL(gradient_##suffix, kThreads,                                                               \
         (const T* dy, Weight w, T* dx, int rows, int n, int k, const T* z, const T* a, int rank,   \
          int z_stride, int accumulate)) {                                                          \
    const Product<T, true> p{dy, w, rows, k, n, k, z, a, rank, z_stride,                            \
                             static_cast<int>(blockIdx.x) * kTile,                                  \
                             static_cast<int>(blockIdx.y) * kTile};                                 \
    multiply<T, true>(p, dx, static_cast<const T*>(nullptr), accumulate != 0);                      \
  }

MATMUL(f16, F16)
MATMUL(bf16, BF16)
