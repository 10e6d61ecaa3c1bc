// The kernels of matvec.cuh for bfloat16.
#include "matvec.cuh"

MATVECS(bf16, BF16)
