package io.peft4j.cuda;

import ai.djl.engine.EngineException;
import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.NDManager;
import ai.djl.ndarray.types.Shape;
import io.peft4j.torch.NativeTensor;

/**
 * Device memory shared with PyTorch, without a copy. PyTorch's operators and this package's kernels
 * run in one stream, so nothing has to be waited for in between.
 */
public final class TorchTensors {
  /** Element types. */
  public enum Type {
    UINT8(NativeTensor.Type.UINT8, 1),
    INT32(NativeTensor.Type.INT32, 4),
    INT64(NativeTensor.Type.INT64, 8),
    FLOAT16(NativeTensor.Type.FLOAT16, 2),
    FLOAT32(NativeTensor.Type.FLOAT32, 4),
    BFLOAT16(NativeTensor.Type.BFLOAT16, 2);

    private final NativeTensor.Type torch;
    private final int bytes;

    Type(NativeTensor.Type torch, int bytes) {
      this.torch = torch;
      this.bytes = bytes;
    }

    private static Type of(NativeTensor.Type torch) {
      for (Type type : values()) {
        if (type.torch == torch) {
          return type;
        }
      }
      throw new IllegalArgumentException("no kernel takes elements of " + torch);
    }
  }

  private TorchTensors() {}

  /**
   * A tensor's device memory. It is the tensor's: keep that open as long as kernels use it.
   *
   * @throws IllegalArgumentException if the tensor is not on a GPU, not contiguous, or of a type
   *     that no kernel takes
   */
  public static DeviceSpan span(NDArray tensor) {
    return span(tensor, true);
  }

  /**
   * @param gpu whether the tensor has to be on a GPU, else on the CPU
   */
  static DeviceSpan span(NDArray tensor, boolean gpu) {
    if (tensor.getDevice().isGpu() != gpu) {
      throw new IllegalArgumentException("the tensor is not on a GPU");
    }
    long bytes = tensor.size() * Type.of(NativeTensor.type(tensor)).bytes;
    return new DeviceSpan(NativeTensor.address(tensor), bytes);
  }

  /**
   * A tensor over device memory, which must stay allocated until the tensor, and whatever graph
   * holds it, is gone.
   *
   * @param manager owner of the tensor, on the memory's GPU
   * @param shape row-major, at least one axis
   * @throws IllegalArgumentException if the memory is too small
   * @throws EngineException if libtorch refuses
   */
  public static NDArray wrap(NDManager manager, DeviceSpan memory, Type type, long... shape) {
    memory.require("the tensor", new Shape(shape).size() * type.bytes);
    return NativeTensor.wrap(manager, manager.getDevice(), memory.address(), type.torch, shape);
  }
}
