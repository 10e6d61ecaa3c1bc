// The kernels of matvec.cuh for float16.
#include "matvec.cuh"

MATVECS(f16, F16)
