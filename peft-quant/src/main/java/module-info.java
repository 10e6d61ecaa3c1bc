/**
 * Weights in 4 and 8 bits, in the bytes of bitsandbytes, and the interface that kernels implement.
 */
module io.peft4j.quant {
  requires transitive io.peft4j.core;

  exports io.peft4j.quant;
  exports io.peft4j.quant.bnb;
  exports io.peft4j.quant.checkpoint;
  exports io.peft4j.quant.kernel;
  exports io.peft4j.quant.projection;

  uses io.peft4j.quant.kernel.QuantKernels;

  provides io.peft4j.model.load.WeightFormat with
      io.peft4j.quant.projection.QuantizedFormat;
  provides io.peft4j.train.optimizer.MomentStore.Provider with
      io.peft4j.quant.optimizer.EightBitMoments.Provider;
}
