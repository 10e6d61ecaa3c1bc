package io.peft4j.torch;

import ai.djl.Device;
import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.NDManager;
import ai.djl.ndarray.types.DataType;
import ai.djl.ndarray.types.Shape;
import ai.djl.ndarray.types.SparseFormat;
import ai.djl.pytorch.engine.PtNDManager;
import ai.djl.pytorch.jni.JniUtils;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.util.Arrays;
import java.util.List;
import java.util.function.Consumer;

/**
 * What lies in the CPU's memory whatever device a manager is for: the numbers that steer operations
 * (an operation that reads its scale from a GPU waits for all that the GPU has to do), and the way
 * of a tensor's elements to Java and back.
 */
public final class HostTensors {

  private HostTensors() {}

  /** {@return a 0-d float64 on the CPU} */
  public static NDArray number(NDManager owner, double value) {
    return create(owner, bytes(Double.BYTES).putDouble(value), new Shape(), DataType.FLOAT64);
  }

  /** {@return a 0-d int64 on the CPU} */
  public static NDArray number(NDManager owner, long value) {
    return create(owner, bytes(Long.BYTES).putLong(value), new Shape(), DataType.INT64);
  }

  /** {@return float64 [n] on the CPU} */
  public static NDArray numbers(NDManager owner, double... values) {
    ByteBuffer memory = bytes(Double.BYTES * values.length);
    memory.asDoubleBuffer().put(values);
    memory.position(memory.limit());
    return create(owner, memory, new Shape(values.length), DataType.FLOAT64);
  }

  /** {@return int64 [n] on the CPU} */
  public static NDArray numbers(NDManager owner, long... values) {
    ByteBuffer memory = bytes(Long.BYTES * values.length);
    memory.asLongBuffer().put(values);
    memory.position(memory.limit());
    return create(owner, memory, new Shape(values.length), DataType.INT64);
  }

  /** {@return an uninitialized array on the CPU} */
  public static NDArray empty(NDManager owner, NativeTensor.Type type, Shape shape) {
    try (NDArray like = number(owner, 0.0)) {
      return Ops.emptyOn(like, type, shape);
    }
  }

  private static ByteBuffer bytes(int count) {
    return ByteBuffer.allocateDirect(count).order(ByteOrder.nativeOrder());
  }

  private static NDArray create(NDManager owner, ByteBuffer written, Shape shape, DataType type) {
    return JniUtils.createNdFromByteBuffer(
        (PtNDManager) owner, written.flip(), shape, type, SparseFormat.DENSE, Device.cpu());
  }

  /**
   * {@return the elements of {@code x}, little-endian: on the CPU its own memory, to read and to
   * write while it is open; else a copy}
   */
  public static ByteBuffer elements(NDArray x) {
    if (!x.getDevice().isGpu()) {
      return x.toByteBuffer(true).order(ByteOrder.LITTLE_ENDIAN);
    }
    try (NDArray copy = OpsScript.call("on_host", x)) {
      ByteBuffer memory = copy.toByteBuffer(true);
      return ByteBuffer.allocate(memory.remaining())
          .put(memory)
          .flip()
          .order(ByteOrder.LITTLE_ENDIAN);
    }
  }

  /** Overwrites {@code x}, float32, whoever shares its memory. */
  public static void fill(NDArray x, float[] values) {
    try (NDArray host = floats(x, values)) {
      OpsScript.call("overwrite", x, host).close();
    }
  }

  private static NDArray floats(NDArray x, float[] values) {
    ByteBuffer memory = bytes(Float.BYTES * values.length);
    memory.asFloatBuffer().put(values);
    memory.position(memory.limit());
    return create(x.getManager(), memory, x.getShape(), DataType.FLOAT32);
  }

  /** Overwrites {@code x} with elements of its own type, little-endian. */
  public static void fill(NDArray x, ByteBuffer elements) {
    write(x, memory -> memory.put(elements));
  }

  /**
   * Overwrites {@code x}: in place on the CPU, else by way of memory that is copied there.
   *
   * @param writer fills the buffer it is given with all elements, little-endian
   */
  public static void write(NDArray x, Consumer<ByteBuffer> writer) {
    if (!x.getDevice().isGpu()) {
      writer.accept(elements(x));
      return;
    }
    DataType type = x.getDataType();
    ByteBuffer memory = bytes(Math.toIntExact(x.size() * type.getNumOfBytes()));
    writer.accept(memory.duplicate().order(ByteOrder.LITTLE_ENDIAN));
    memory.position(memory.limit());
    try (NDArray host = create(x.getManager(), memory, x.getShape(), type)) {
      OpsScript.call("overwrite", x, host).close();
    }
  }

  /**
   * {@return {@code x} on the device of {@code owner}, and its; closes {@code x} if that is a copy}
   */
  public static NDArray moveTo(NDManager owner, NDArray x) {
    if (owner.getDevice().equals(x.getDevice())) {
      return x;
    }
    try (NDArray like = owner.create(0f);
        NDArray there = x) {
      return OpsScript.call("on_device", like, there);
    }
  }

  /**
   * {@return zeros in the CPU's memory, whatever {@code owner} is for; if that is a GPU, memory
   * that it copies from by itself (page-locked)}
   */
  public static NDArray zeros(NDManager owner, DataType type, Shape shape) {
    NDArray memory = empty(owner, NativeTensor.Type.valueOf(type.name()), shape);
    OpsScript.call("zeroed", memory).close();
    if (!owner.getDevice().isGpu()) {
      return memory;
    }
    try (memory) {
      return OpsScript.call("pinned", memory);
    }
  }

  /**
   * {@return a copy of {@code x} on the device of {@code owner}, and its, perhaps under way yet}
   */
  public static NDArray copyTo(NDManager owner, NDArray x) {
    try (NDArray like = owner.create(0f)) {
      return OpsScript.call("on_device_soon", like, x);
    }
  }

  /** Overwrites {@code to} with the elements of {@code from}, on whatever devices they are. */
  public static void copy(NDArray from, NDArray to) {
    OpsScript.call("overwrite", to, from).close();
  }

  /** {@return a shape as files have it} */
  public static List<Long> dimensions(Shape shape) {
    return Arrays.stream(shape.getShape()).boxed().toList();
  }
}
