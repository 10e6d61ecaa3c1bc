package io.peft4j.quant.projection;

import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.NDManager;
import ai.djl.ndarray.types.Shape;
import io.peft4j.quant.FloatType;
import io.peft4j.quant.kernel.Memory;
import io.peft4j.quant.kernel.PackedWeight;
import io.peft4j.torch.HostTensors;
import io.peft4j.torch.NativeTensor;
import io.peft4j.torch.Ops;
import java.util.HashMap;
import java.util.Map;

/**
 * Memory for one dense weight at a time. Who wants its weight here has it decoded, unless it is the
 * one that was decoded last. The memory is allocated when first wanted and written past libtorch,
 * so a graph that holds a weight of this room holds the place, and takes what is there when the
 * gradient comes through.
 */
final class Room {

  private final NDManager manager;
  private final FloatType type;
  private final boolean onDevice;
  private long capacity;
  private final Map<Shape, NDArray> views = new HashMap<>();
  private NDArray memory;
  private PackedWeight content;

  /**
   * @param onDevice whether kernels on a device decode
   */
  Room(NDManager manager, FloatType type, boolean onDevice) {
    this.manager = manager;
    this.type = type;
    this.onDevice = onDevice;
  }

  /** Makes sure that a weight of so many elements fits. */
  void reserve(long elements) {
    if (memory != null && elements > capacity) {
      throw new IllegalStateException("a room in use cannot grow");
    }
    capacity = Math.max(capacity, elements);
  }

  /** {@return the dense weight [out, in], in a place that stays this room's} */
  NDArray weight(PackedWeight weight) {
    fill(weight);
    Shape shape = new Shape(weight.outputs(), weight.inputs());
    return views.computeIfAbsent(shape, this::view);
  }

  private NDArray view(Shape shape) {
    try (NDArray part = memory.get("0:" + shape.size())) {
      NDArray view = part.reshape(shape);
      view.attach(manager);
      return view;
    }
  }

  /** {@return whether a weight has been here, so that a graph may hold the place} */
  boolean isUsed() {
    return memory != null;
  }

  private void allocate() {
    if (memory == null) {
      memory = Ops.empty(manager, torchType(type), new Shape(capacity));
    }
  }

  /** Decodes {@code weight} into this room, unless it is there. */
  void fill(PackedWeight weight) {
    if (content != weight) {
      allocate();
      content = null; // should decoding fail halfway
      long length = (long) weight.outputs() * weight.inputs() * type.bytes();
      weight.dequantize(place(length), type);
      content = weight;
    }
  }

  private Memory place(long length) {
    return onDevice
        ? new Memory.Device(NativeTensor.address(memory), length)
        : new Memory.Host(HostTensors.elements(memory).limit(Math.toIntExact(length)));
  }

  /** {@return the memory of a tensor of a device, for its kernels} */
  static Memory device(NDArray x, FloatType type) {
    return new Memory.Device(NativeTensor.address(x), x.size() * type.bytes());
  }

  static NativeTensor.Type torchType(FloatType type) {
    return switch (type) {
      case F32 -> NativeTensor.Type.FLOAT32;
      case F16 -> NativeTensor.Type.FLOAT16;
      case BF16 -> NativeTensor.Type.BFLOAT16;
    };
  }
}
