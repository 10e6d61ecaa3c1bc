// The kernels of matvec.cuh for float32.
#include "matvec.cuh"

MATVECS(f32, float)
