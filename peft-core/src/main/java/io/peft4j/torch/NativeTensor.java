package io.peft4j.torch;

import ai.djl.Device;
import ai.djl.engine.EngineException;
import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.NDManager;
import ai.djl.ndarray.types.Shape;
import ai.djl.pytorch.engine.PtDeviceType;
import ai.djl.pytorch.engine.PtNDArray;
import ai.djl.pytorch.engine.PtNDManager;
import ai.djl.pytorch.jni.LibUtils;
import com.sun.jna.NativeLibrary;
import com.sun.jna.Pointer;
import com.sun.jna.ptr.IntByReference;
import com.sun.jna.ptr.PointerByReference;
import java.nio.file.Path;
import java.util.Locale;

/**
 * Tensors over memory that libtorch did not allocate, and the memory of tensors, through its stable
 * C interface ({@code torch/csrc/inductor/aoti_torch/c/shim.h}, libtorch 2.7).
 */
public final class NativeTensor {

  /** Element types of libtorch ({@code c10/core/ScalarType.h}) that a checkpoint can hold. */
  public enum Type {
    UINT8(0),
    INT8(1),
    INT16(2),
    INT32(3),
    INT64(4),
    FLOAT16(5),
    FLOAT32(6),
    FLOAT64(7),
    BOOL(11),
    BFLOAT16(15),
    FLOAT8_E5M2(23),
    FLOAT8_E4M3FN(24),
    FLOAT8_E5M2FNUZ(25),
    FLOAT8_E4M3FNUZ(26);

    private final int code;

    Type(int code) {
      this.code = code;
    }

    int code() {
      return code;
    }
  }

  private static final NativeLibrary LIBTORCH = library();

  private NativeTensor() {}

  private static NativeLibrary library() {
    Natives.engine(); // loads libtorch, if nobody has yet
    Path folder = Path.of(LibUtils.getLibtorchPath());
    return NativeLibrary.getInstance(folder.resolve(System.mapLibraryName("torch_cpu")).toString());
  }

  /** As {@link #wrap(NDManager, Device, long, Type, long...)}, of the CPU's memory. */
  public static NDArray wrap(NDManager manager, long address, Type type, long... shape) {
    return wrap(manager, Device.cpu(), address, type, shape);
  }

  /**
   * A tensor whose elements are the memory at {@code address}: nothing is copied.
   *
   * @param manager owner of the result
   * @param device that the memory is of
   * @param address of the first element, aligned to the element size; the memory must stay valid
   *     until the tensor, and whatever graph holds it, is gone
   * @param shape row-major
   * @throws EngineException if libtorch refuses
   */
  public static NDArray wrap(
      NDManager manager, Device device, long address, Type type, long... shape) {
    long[] strides = new long[shape.length];
    long stride = 1;
    for (int i = shape.length - 1; i >= 0; i--) {
      strides[i] = stride;
      stride *= shape[i];
    }
    // JNA passes no empty arrays.
    long[] sizes = shape.length == 0 ? new long[1] : shape;
    if (shape.length == 0) {
      strides = new long[1];
    }
    PointerByReference handle = new PointerByReference();
    call(
        "aoti_torch_create_tensor_from_blob_v2",
        new Pointer(address),
        (long) shape.length,
        sizes,
        strides,
        0L, // storage offset
        type.code,
        PtDeviceType.toDeviceType(device),
        device.getDeviceId(),
        handle,
        0, // layout: strided
        null, // no opaque metadata
        0L);
    return new PtNDArray((PtNDManager) manager, Pointer.nativeValue(handle.getValue()));
  }

  /**
   * {@return the address of a tensor's first element, on whatever device it is} The memory is the
   * tensor's: keep that open as long as somebody uses it.
   *
   * @throws IllegalArgumentException if its elements do not lie one after the other
   */
  public static long address(NDArray tensor) {
    Pointer handle = new Pointer(((PtNDArray) tensor).getHandle());
    PointerByReference strides = new PointerByReference();
    call("aoti_torch_get_strides", handle, strides);
    Shape shape = tensor.getShape();
    long expected = 1;
    for (int axis = shape.dimension() - 1; axis >= 0; axis--) {
      long stride = strides.getValue().getLong((long) Long.BYTES * axis);
      if (shape.get(axis) != 1 && stride != expected) {
        throw new IllegalArgumentException(
            String.format(
                Locale.ROOT,
                "the tensor is not contiguous: stride %d on axis %d, expected %d",
                stride,
                axis,
                expected));
      }
      expected *= shape.get(axis);
    }
    PointerByReference data = new PointerByReference();
    call("aoti_torch_get_data_ptr", handle, data);
    return Pointer.nativeValue(data.getValue());
  }

  /** {@return the type of a tensor's elements, where it is one of {@link Type}} */
  public static Type type(NDArray tensor) {
    IntByReference code = new IntByReference();
    call("aoti_torch_get_dtype", new Pointer(((PtNDArray) tensor).getHandle()), code);
    for (Type type : Type.values()) {
      if (type.code == code.getValue()) {
        return type;
      }
    }
    throw new IllegalArgumentException("no type of ours: libtorch's " + code.getValue());
  }

  private static void call(String name, Object... arguments) {
    int error = LIBTORCH.getFunction(name).invokeInt(arguments);
    if (error != 0) {
      throw new EngineException(
          String.format(Locale.ROOT, "libtorch's %s failed with %d", name, error));
    }
  }
}
