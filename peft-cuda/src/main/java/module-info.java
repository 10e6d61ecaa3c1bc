/** Kernels for CUDA GPUs. */
module io.peft4j.cuda {
  requires ai.djl.api;
  requires transitive io.peft4j.quant;
  requires jcuda;

  exports io.peft4j.cuda;

  provides io.peft4j.quant.kernel.QuantKernels with
      io.peft4j.cuda.CudaKernels;
  provides io.peft4j.torch.GpuMemory with
      io.peft4j.cuda.CudaMemory;
}
