// Low-rank products for any mix of adapters in a batch: shrink z = scale X Aᵀ, expand Y += z Bᵀ. Rows
// come in tiles of up to 16 that share an adapter; ranks differ from adapter to adapter. With one
// adapter for all rows no tile list is needed. For the backward pass the roles turn: z = scale dY B
// is gradient_shrink, dX += z A is gradient_expand.
//
// Floors: shrink 2 rows K + 2 rows rank bytes (A comes from the second-level cache after its first
// tile); expand 4 rows N + 2 rows rank. On tensor cores, straight from global memory: the order of a
// sum is free, so a lane's four pairs of each mma are 16 consecutive bytes.
#include "tensor_core.cuh"

// The Java side packs the same 24 bytes. a: [rank, K], b: [N, rank].
struct Adapter {
  const void* a;
  const void* b;
  int rank;
  float scale;
};
struct Tile {
  int row, rows, adapter;
};

namespace {

constexpr int kRanks = 32;  // of z, a block of shrink
constexpr int kWarps = 8;

// tiles is null when adapter 0 takes all rows. An adapter of -1 is none.
DEVICE Tile tile_of(const int* tiles, int rows) {
  const int i = blockIdx.x;
  if (tiles == nullptr) return Tile{i * 16, min(16, rows - i * 16), 0};
  return Tile{tiles[3 * i], tiles[3 * i + 1], tiles[3 * i + 2]};
}

// Eight elements from one 16-byte load where that is allowed.
template <class T>
DEVICE Words4 row8(const T* row, int from, int count, bool vector) {
  if (vector && from + 8 <= count) return *reinterpret_cast<const Words4*>(row + from);
  Words4 words;
#pragma unroll
  for (int i = 0; i < 4; i++) words.w[i] = pair_or_zero(row, from + 2 * i, count);
  return words;
}

// z: [rows, z_stride], zero from each adapter's rank to z_stride, a multiple of eight. The warps share
// the depth of a tile of 16 rows by 32 ranks and add up in shared memory.
template <class T>
DEVICE void shrink(const T* x, const Adapter* adapters, const int* tiles, T* z, int rows, int depth,
                   int z_stride) {
  __shared__ float part[kWarps][16][kRanks];
  const Tile tile = tile_of(tiles, rows);
  const int lane = threadIdx.x & 31, warp = threadIdx.x >> 5, group = lane >> 2, t = lane & 3;
  const int rank0 = blockIdx.y * kRanks;
  const Adapter none{nullptr, nullptr, 0, 0.f};
  const Adapter adapter = tile.adapter < 0 ? none : adapters[tile.adapter];
  const T* const a = static_cast<const T*>(adapter.a);
  float sum[4][4] = {};
  if (rank0 < adapter.rank) {
    const bool x_vector = rows_aligned(x, depth), a_vector = rows_aligned(a, depth);
    for (int d = warp * 32; d < depth; d += kWarps * 32) {
      const int from = d + 8 * t;
      Words4 top{{0, 0, 0, 0}}, bottom{{0, 0, 0, 0}};
      if (group < tile.rows) {
        top = row8(x + static_cast<i64>(tile.row + group) * depth, from, depth, x_vector);
      }
      if (group + 8 < tile.rows) {
        bottom = row8(x + static_cast<i64>(tile.row + group + 8) * depth, from, depth, x_vector);
      }
#pragma unroll
      for (int j = 0; j < 4; j++) {
        const int r = rank0 + 8 * j + group;
        Words4 right{{0, 0, 0, 0}};
        if (r < adapter.rank) right = row8(a + static_cast<i64>(r) * depth, from, depth, a_vector);
#pragma unroll
        for (int half = 0; half < 2; half++) {
          const u32 left[4] = {top.w[2 * half], bottom.w[2 * half], top.w[2 * half + 1],
                               bottom.w[2 * half + 1]};
          const u32 b[2] = {right.w[2 * half], right.w[2 * half + 1]};
          mma<T>(sum[j], left, b);
        }
      }
    }
  }
#pragma unroll
  for (int j = 0; j < 4; j++) {
#pragma unroll
    for (int i = 0; i < 4; i++) part[warp][group + (i >> 1) * 8][8 * j + 2 * t + (i & 1)] = sum[j][i];
  }
  __syncthreads();
  for (int i = threadIdx.x; i < 16 * kRanks; i += blockDim.x) {
    const int row = i / kRanks, r = i % kRanks;
    if (row >= tile.rows || rank0 + r >= z_stride) continue;
    float total = 0.f;
    for (int s = 0; s < kWarps; s++) total += part[s][row][r];
    z[static_cast<i64>(tile.row + row) * z_stride + rank0 + r] =
        narrow_to<T>(rank0 + r < adapter.rank ? total * adapter.scale : 0.f);
  }
}

// y: [rows, columns] += z b'; a warp makes 16 rows by 8 columns at a time. kByRank: b is A [rank,
// columns] (backward), else B [columns, rank].
template <class T, bool kByRank>
DEVICE void expand(const T* z, const Adapter* adapters, const int* tiles, T* y, int rows, int columns,
                   int z_stride) {
  const Tile tile = tile_of(tiles, rows);
  if (tile.adapter < 0) return;
  const Adapter adapter = adapters[tile.adapter];
  const T* const b = static_cast<const T*>(kByRank ? adapter.a : adapter.b);
  const int lane = threadIdx.x & 31, warp = threadIdx.x >> 5, group = lane >> 2, t = lane & 3;
  const int column0 = (blockIdx.y * kWarps + warp) * 8;
  if (column0 >= columns) return;  // the same in all lanes
  const T* const top = z + static_cast<i64>(tile.row + group) * z_stride;
  const T* const bottom = top + static_cast<i64>(8) * z_stride;
  const int top_count = group < tile.rows ? adapter.rank : 0;
  const int bottom_count = group + 8 < tile.rows ? adapter.rank : 0;
  const int column = column0 + group;
  float sum[4] = {};
  for (int r0 = 0; r0 < adapter.rank; r0 += 16) {
    const int r = r0 + 2 * t;
    const u32 left[4] = {
        pair_or_zero(top, r, top_count), pair_or_zero(bottom, r, bottom_count),
        pair_or_zero(top, r + 8, top_count), pair_or_zero(bottom, r + 8, bottom_count)};
    u32 right[2] = {0, 0};
    if (column < columns) {
#pragma unroll
      for (int half = 0; half < 2; half++) {
        const int at = r + 8 * half;
        if (kByRank) {
          const u32 first = at < adapter.rank ? b[static_cast<i64>(at) * columns + column].bits : 0;
          const u32 second =
              at + 1 < adapter.rank ? b[static_cast<i64>(at + 1) * columns + column].bits : 0;
          right[half] = first | second << 16;
        } else {
          right[half] = pair_or_zero(b + static_cast<i64>(column) * adapter.rank, at, adapter.rank);
        }
      }
    }
    mma<T>(sum, left, right);
  }
#pragma unroll
  for (int i = 0; i < 4; i++) {
    const int row = group + (i >> 1) * 8, c = column0 + 2 * t + (i & 1);
    if (row >= tile.rows || c >= columns) continue;
    T* const at = y + static_cast<i64>(tile.row + row) * columns + c;
    *at = narrow_to<T>(widen(*at) + sum[i]);
  }
}

// z = scale dY B: like shrink, but B [N, rank] runs along the depth. A thread a rank, the depth shared
// by the strides of a block and added up in a fixed order; dY comes once per tile into shared memory.
template <class T>
DEVICE void gradient_shrink(const T* dy, const Adapter* adapters, const int* tiles, T* z, int rows,
                            int depth, int z_stride) {
  __shared__ float left[16][64];
  __shared__ float part[16][kWarps][kRanks];
  const Tile tile = tile_of(tiles, rows);
  const int lane = threadIdx.x & 31, warp = threadIdx.x >> 5;
  const int rank0 = blockIdx.y * kRanks, r = rank0 + lane;
  const Adapter none{nullptr, nullptr, 0, 0.f};
  const Adapter adapter = tile.adapter < 0 ? none : adapters[tile.adapter];
  const T* const b = static_cast<const T*>(adapter.b);
  float sum[16] = {};
  if (rank0 < adapter.rank) {
    for (int d0 = 0; d0 < depth; d0 += 64) {
      __syncthreads();
      for (int i = threadIdx.x; i < 16 * 64; i += blockDim.x) {
        const int row = i / 64, d = d0 + i % 64;
        const bool present = row < tile.rows && d < depth;
        left[row][i % 64] = present ? widen(dy[static_cast<i64>(tile.row + row) * depth + d]) : 0.f;
      }
      __syncthreads();
      for (int i = warp; i < min(64, depth - d0); i += kWarps) {
        if (r >= adapter.rank) break;
        const float value = widen(b[static_cast<i64>(d0 + i) * adapter.rank + r]);
#pragma unroll
        for (int row = 0; row < 16; row++) sum[row] += left[row][i] * value;
      }
    }
  }
#pragma unroll
  for (int row = 0; row < 16; row++) part[row][warp][lane] = sum[row];
  __syncthreads();
  for (int row = warp; row < tile.rows; row += kWarps) {
    if (r >= z_stride) continue;
    float total = 0.f;
    for (int s = 0; s < kWarps; s++) total += part[row][s][lane];
    z[static_cast<i64>(tile.row + row) * z_stride + r] =
        narrow_to<T>(r < adapter.rank ? total * adapter.scale : 0.f);
  }
}

}  // namespace

#define LORA(suffix, T)                                                                          \
  KERNEL(lora_shrink_##suffix, 256,                                                              \
         (const T* x, const Adapter* adapters, const int* tiles, T* z, int rows, int depth,      \
          int z_stride)) {                                                                       \
    shrink<T>(x, adapters, tiles, z, rows, depth, z_stride);                                     \
  }                                                                                              \
  KERNEL(lora_expand_##suffix, 256,                                                              \
         (const T* z, const Adapter* adapters, const int* tiles, T* y, int rows, int columns,    \
          int z_stride)) {                                                                       \
    expand<T, false>(z, adapters, tiles, y, rows, columns, z_stride);                            \
  }                                                                                              \
  KERNEL(lora_gradient_shrink_##suffix, 256,                                                     \
         (const T* dy, const Adapter* adapters, const int* tiles, T* z, int rows, int depth,     \
          int z_stride)) {                                                                       \
    gradient_shrink<T>(dy, adapters, tiles, z, rows, depth, z_stride);                           \
  }                                                                                              \
  KERNEL(lora_gradient_expand_##suffix, 256,                                                     \
         (const T* z, const Adapter* adapters, const int* tiles, T* dx, int rows, int columns,   \
          int z_stride)) {                                                                       \
    expand<T, true>(z, adapters, tiles, dx, rows, columns, z_stride);                            \
  }

LORA(f16, F16)
LORA(bf16, BF16)
