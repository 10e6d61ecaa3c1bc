// AdamW (Loshchilov and Hutter, 2019) with moments in 8 bits (Dettmers et al., 2022): blocks of 256
// elements, each moment a code of a dynamic map times its block's scale. Weights and gradients are
// float32; the update uses the new moments before they are rounded.
//
// Floor: bytes moved = 16 count (weight twice, gradient, four codes) + count / 16 (scales).
#include "device.cuh"

namespace {

constexpr int kBlock = 256;
constexpr float kSteps = 65535.f;

struct Map {
  float level[256];
  float midpoint[256];  // 255 used
};

DEVICE void load_map(Map& map, const float* levels) {
  const int i = threadIdx.x;
  map.level[i] = levels[i];
  if (i < 255) map.midpoint[i] = __fmul_rn(0.5f, __fadd_rn(levels[i], levels[i + 1]));
}

// bitsandbytes' code on the CPU: [-1, 1] in 65,536 steps, and the level nearest to the step.
DEVICE u8 code_of(const Map& map, float x, float largest) {
  if (largest == 0.f) return 0;
  const float scaled = __fmul_rn(x, __fdiv_rn(1.f, largest));
  const float clamped = fmaxf(-1.f, fminf(1.f, scaled));
  const int step = static_cast<int>(__fmaf_rn(__fmul_rn(__fadd_rn(clamped, 1.f), 0.5f), kSteps, 0.5f));
  const float value = __fadd_rn(-1.f, __fdiv_rn(2.f * static_cast<float>(step), kSteps));
  int code = 0;
#pragma unroll
  for (int stride = 128; stride > 0; stride >>= 1) {
    if (code + stride <= 255 && map.midpoint[code + stride - 1] < value) code += stride;
  }
  return static_cast<u8>(code);
}

}  // namespace

// correction1 = 1 - beta1^t, correction2 = 1 - beta2^t; gradient_scale multiplies the gradient first
// (clipping, loss scale).
KERNEL(adamw8_f32, 256,
       (float* weight, const float* gradient, u8* first_codes, float* first_absmax, u8* second_codes,
        float* second_absmax, const float* signed_map, const float* unsigned_map, i64 count,
        float rate, float beta1, float beta2, float eps, float decay, float correction1,
        float correction2, float gradient_scale)) {
  __shared__ Map first_map, second_map;
  __shared__ float scratch[2][32];
  load_map(first_map, signed_map);
  load_map(second_map, unsigned_map);
  __syncthreads();

  const i64 blocks = (count + kBlock - 1) / kBlock;
  for (i64 block = blockIdx.x; block < blocks; block += gridDim.x) {
    const i64 i = block * kBlock + threadIdx.x;
    float first = 0.f, second = 0.f;
    if (i < count) {
      const float g = gradient[i] * gradient_scale;
      first = first_map.level[first_codes[i]] * first_absmax[block];
      second = second_map.level[second_codes[i]] * second_absmax[block];
      first = __fmaf_rn(1.f - beta1, g, __fmul_rn(beta1, first));
      second = __fmaf_rn(__fmul_rn(1.f - beta2, g), g, __fmul_rn(beta2, second));
      const float root = __fsqrt_rn(second) / __fsqrt_rn(correction2) + eps;
      weight[i] = weight[i] * (1.f - rate * decay) - rate / correction1 * first / root;
    }
    const float first_largest = block_max(fabsf(first), scratch[0]);
    const float second_largest = block_max(second, scratch[1]);
    if (i < count) {
      first_codes[i] = code_of(first_map, first, first_largest);
      second_codes[i] = code_of(second_map, second, second_largest);
    }
    if (threadIdx.x == 0) {
      first_absmax[block] = first_largest;
      second_absmax[block] = second_largest;
    }
    __syncthreads();
  }
}

// Blockwise 8-bit codes of float32 values, as bitsandbytes' quantize_blockwise: blocks of 256.
// Floor: bytes moved = 5 count (values, codes) + count / 64 (scales).
KERNEL(quantize_dynamic_f32, 256,
       (const float* x, const float* levels, u8* codes, float* absmax, i64 count)) {
  __shared__ Map map;
  __shared__ float scratch[32];
  load_map(map, levels);
  __syncthreads();
  const i64 i = static_cast<i64>(blockIdx.x) * kBlock + threadIdx.x;
  const float value = i < count ? x[i] : 0.f;
  const float largest = block_max(fabsf(value), scratch);
  if (i < count) codes[i] = code_of(map, value, largest);
  if (threadIdx.x == 0) absmax[blockIdx.x] = largest;
}
