package io.peft4j.cuda;

import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.util.List;
import java.util.Locale;
import jcuda.Pointer;
import jcuda.driver.CUdeviceptr;
import jcuda.driver.JCudaDriver;

/**
 * Memory on the device, freed by {@link #close}. Meant for weights and small tables: activations
 * are PyTorch's, whose allocator stays the only big one.
 */
public final class DeviceMemory implements AutoCloseable {
  /** JCuda's pointer, whose number only subclasses see. */
  private static final class Address extends CUdeviceptr {
    long number() {
      return getNativePointer();
    }
  }

  private final CudaContext context;
  private final Address pointer;
  private final DeviceSpan span;
  private boolean closed;

  private DeviceMemory(CudaContext context, Address pointer, DeviceSpan span) {
    this.context = context;
    this.pointer = pointer;
    this.span = span;
  }

  /**
   * Allocates memory, at least 16-byte aligned, contents undefined.
   *
   * @throws CudaException if there is too little; {@link CudaException#isOutOfMemory} tells
   */
  public static DeviceMemory allocate(CudaContext context, long bytes) {
    if (bytes <= 0) {
      throw new IllegalArgumentException("cannot allocate " + bytes + " bytes");
    }
    context.enter();
    Address pointer = new Address();
    context.check(
        "cuMemAlloc",
        JCudaDriver.cuMemAlloc(pointer, bytes),
        String.format(Locale.ROOT, "%,d bytes", bytes));
    return new DeviceMemory(context, pointer, new DeviceSpan(pointer.number(), bytes));
  }

  /** A copy of the buffer's bytes from position to limit. */
  public static DeviceMemory copyOf(CudaContext context, ByteBuffer bytes) {
    DeviceMemory memory = allocate(context, bytes.remaining());
    try {
      memory.upload(bytes);
      return memory;
    } catch (RuntimeException e) {
      memory.close();
      throw e;
    }
  }

  /** A copy of an array. */
  public static DeviceMemory copyOf(CudaContext context, float[] values) {
    ByteBuffer bytes = ByteBuffer.allocate(4 * values.length).order(ByteOrder.nativeOrder());
    bytes.asFloatBuffer().put(values);
    return copyOf(context, bytes);
  }

  /** A copy of an array. */
  public static DeviceMemory copyOf(CudaContext context, int[] values) {
    ByteBuffer bytes = ByteBuffer.allocate(4 * values.length).order(ByteOrder.nativeOrder());
    bytes.asIntBuffer().put(values);
    return copyOf(context, bytes);
  }

  /**
   * Where it is.
   *
   * @throws IllegalStateException if closed
   */
  public synchronized DeviceSpan span() {
    if (closed) {
      throw new IllegalStateException("the device memory is closed");
    }
    return span;
  }

  /** As JCuda's calls take it. */
  CUdeviceptr pointer() {
    span();
    return pointer;
  }

  /** Copies the buffer's remaining bytes to the start of the memory; waits until done. */
  public void upload(ByteBuffer bytes) {
    span().require("the data", bytes.remaining());
    ByteBuffer direct = ByteBuffer.allocateDirect(bytes.remaining()).put(bytes.duplicate()).flip();
    context.enter();
    context.check(
        "cuMemcpyHtoD",
        JCudaDriver.cuMemcpyHtoD(pointer, Pointer.to(direct), direct.remaining()),
        String.format(Locale.ROOT, "%,d bytes", direct.remaining()));
  }

  /** A copy of the memory's bytes, little endian; waits for the work that makes them. */
  public ByteBuffer download() {
    ByteBuffer bytes =
        ByteBuffer.allocateDirect(Math.toIntExact(span().bytes())).order(ByteOrder.LITTLE_ENDIAN);
    context.enter();
    context.check(
        "cuMemcpyDtoH",
        JCudaDriver.cuMemcpyDtoH(Pointer.to(bytes), pointer, bytes.capacity()),
        String.format(Locale.ROOT, "%,d bytes", bytes.capacity()));
    return bytes;
  }

  /** Closes all, also when closing one of them fails. */
  static void closeAll(List<DeviceMemory> memories) {
    CudaException failure = null;
    for (DeviceMemory memory : memories) {
      try {
        memory.close();
      } catch (CudaException e) {
        if (failure == null) {
          failure = e;
        } else {
          failure.addSuppressed(e);
        }
      }
    }
    if (failure != null) {
      throw failure;
    }
  }

  /** Frees the memory. If the context is lost the memory is gone with it, and that is no error. */
  @Override
  public synchronized void close() {
    if (closed) {
      return;
    }
    closed = true;
    boolean usable = context.isUsable();
    int code = JCudaDriver.cuMemFree(pointer);
    if (usable) {
      context.check("cuMemFree", code, "");
    }
  }
}
