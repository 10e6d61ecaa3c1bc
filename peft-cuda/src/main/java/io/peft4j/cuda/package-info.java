/**
 * Kernels for NVIDIA GPUs through the driver API: 4-bit weights, low-rank products, and the rest of
 * a transformer layer that is bound by memory.
 *
 * <p>Start at {@link io.peft4j.cuda.GpuStatus#probe()}; with a usable GPU, {@link
 * io.peft4j.cuda.CudaContext} gives access to it, {@link io.peft4j.cuda.DeviceMemory} owns memory
 * there, and the {@code …Kernels} classes run. Everything works on the legacy default stream, in
 * order with PyTorch, in the primary context, which PyTorch uses too.
 */
package io.peft4j.cuda;
