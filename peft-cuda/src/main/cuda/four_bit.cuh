// 4-bit weights in bitsandbytes' format: row-major, cut into blocks of consecutive elements across
// rows; element 2i in the high nibble of byte i; value = level[code] * scale[block]. Scales are
// float32, or (double quantization) 8-bit codes of a 256-entry map with float32 scales of their own
// and a common offset.
#pragma once
#include "device.cuh"

// By value in kernel parameters; the Java side packs the same 56 bytes (WeightArgument).
struct Weight {
  const u8* codes;
  const float* levels;    // 16
  const float* absmax;    // a scale a block; with double quantization one a run of blocks
  const u8* scale_codes;  // one a block, or null without double quantization
  const float* scale_map;
  float offset;
  int block_shift;   // log2 of elements a block
  int nested_shift;  // log2 of blocks a run
  int unused;
};

// Not contracted to a fused multiply-add: bit for bit what the reference computes.
DEVICE float scale_of_block(const Weight& w, i64 block) {
  if (w.scale_codes == nullptr) return __ldg(w.absmax + block);
  const float level = __ldg(w.scale_map + __ldg(w.scale_codes + block));
  return __fadd_rn(__fmul_rn(level, __ldg(w.absmax + (block >> w.nested_shift))), w.offset);
}

DEVICE float scale_of_element(const Weight& w, i64 element) {
  return scale_of_block(w, element >> w.block_shift);
}

DEVICE float weight_at(const Weight& w, i64 element) {
  const u8 pair = w.codes[element >> 1];
  const int code = element & 1 ? pair & 15 : pair >> 4;
  return __fmul_rn(__ldg(w.levels + code), scale_of_element(w, element));
}

// The 16 levels, once for each of the 32 banks: 32 lanes that look 32 codes up never collide.
constexpr int kTableFloats = 16 * 32;

DEVICE void fill_table(float* table, const float* levels) {
  for (int i = threadIdx.x; i < kTableFloats; i += blockDim.x) table[i] = __ldg(levels + (i >> 5));
}

// The levels of eight consecutive elements, packed in four bytes as loaded.
DEVICE void decode8(const float* table, u32 packed, float (&x)[8]) {
  const float* bank = table + (threadIdx.x & 31);
#pragma unroll
  for (int byte = 0; byte < 4; byte++) {
    x[2 * byte] = bank[(packed >> (8 * byte + 4) & 15u) << 5];
    x[2 * byte + 1] = bank[(packed >> (8 * byte) & 15u) << 5];
  }
}
