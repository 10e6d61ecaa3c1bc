package io.peft4j.cuda;

import ai.djl.engine.EngineException;
import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.NDManager;
import ai.djl.pytorch.engine.PtNDArray;
import ai.djl.pytorch.engine.PtNDManager;
import ai.djl.pytorch.jni.LibUtils;
import com.sun.jna.Function;
import com.sun.jna.NativeLibrary;
import com.sun.jna.Pointer;
import com.sun.jna.ptr.IntByReference;
import com.sun.jna.ptr.LongByReference;
import com.sun.jna.ptr.PointerByReference;
import java.nio.file.Path;

/**
 * Device memory shared with PyTorch, without a copy, through libtorch's stable C interface ({@code
 * torch/csrc/inductor/aoti_torch/c/shim.h}, libtorch 2.7). PyTorch's operators and this package's
 * kernels run in one stream, so nothing has to be waited for in between.
 */
public final class TorchTensors {
  /** Element types, with libtorch's numbers ({@code c10/core/ScalarType.h}). */
  public enum Type {
    UINT8(0, 1),
    INT32(3, 4),
    INT64(4, 8),
    FLOAT16(5, 2),
    FLOAT32(6, 4),
    BFLOAT16(15, 2);

    private final int code;
    private final int bytes;

    Type(int code, int bytes) {
      this.code = code;
      this.bytes = bytes;
    }

    private static Type of(int code) {
      for (Type type : values()) {
        if (type.code == code) {
          return type;
        }
      }
      throw new IllegalArgumentException("no kernel takes libtorch's scalar type " + code);
    }
  }

  static final int CPU = 0;
  static final int CUDA = 1;

  private static final NativeLibrary LIBTORCH = library();

  private TorchTensors() {}

  private static NativeLibrary library() {
    NDManager.newBaseManager("PyTorch").close(); // loads the engine
    Path folder = Path.of(LibUtils.getLibtorchPath());
    return NativeLibrary.getInstance(folder.resolve(System.mapLibraryName("torch_cpu")).toString());
  }

  /**
   * A tensor's device memory. It is the tensor's: keep that open as long as kernels use it.
   *
   * @throws IllegalArgumentException if the tensor is not on a GPU, not contiguous, or of a type
   *     that no kernel takes
   */
  public static DeviceSpan span(NDArray tensor) {
    return span(tensor, CUDA);
  }

  static DeviceSpan span(NDArray tensor, int deviceType) {
    Pointer handle = new Pointer(((PtNDArray) tensor).getHandle());
    int device = integer("aoti_torch_get_device_type", handle);
    if (device != deviceType) {
      throw new IllegalArgumentException("the tensor is not on a GPU");
    }
    long elements = requireContiguous(handle);
    PointerByReference data = new PointerByReference();
    call("aoti_torch_get_data_ptr", handle, data);
    Type type = Type.of(integer("aoti_torch_get_dtype", handle));
    return new DeviceSpan(Pointer.nativeValue(data.getValue()), elements * type.bytes);
  }

  private static long requireContiguous(Pointer handle) {
    LongByReference dim = new LongByReference();
    PointerByReference sizes = new PointerByReference();
    PointerByReference strides = new PointerByReference();
    call("aoti_torch_get_dim", handle, dim);
    call("aoti_torch_get_sizes", handle, sizes);
    call("aoti_torch_get_strides", handle, strides);
    long expected = 1;
    for (long axis = dim.getValue() - 1; axis >= 0; axis--) {
      long size = sizes.getValue().getLong(8 * axis);
      long stride = strides.getValue().getLong(8 * axis);
      if (size != 1 && stride != expected) {
        throw new IllegalArgumentException(
            "the tensor is not contiguous: stride %d on axis %d, expected %d"
                .formatted(stride, axis, expected));
      }
      expected *= size;
    }
    return expected;
  }

  /**
   * A tensor over device memory, which must stay allocated until the tensor, and whatever graph
   * holds it, is gone.
   *
   * @param manager owner of the tensor
   * @param shape row-major, at least one axis
   * @throws IllegalArgumentException if the memory is too small
   * @throws EngineException if libtorch refuses
   */
  public static NDArray wrap(NDManager manager, DeviceSpan memory, Type type, long... shape) {
    return wrapOn(CUDA, manager, memory, type, shape);
  }

  static NDArray wrapOn(
      int deviceType, NDManager manager, DeviceSpan memory, Type type, long... shape) {
    long[] strides = new long[shape.length];
    long count = 1;
    for (int axis = shape.length - 1; axis >= 0; axis--) {
      strides[axis] = count;
      count *= shape[axis];
    }
    memory.require("the tensor", count * type.bytes);
    PointerByReference handle = new PointerByReference();
    call(
        "aoti_torch_create_tensor_from_blob_v2",
        new Pointer(memory.address()),
        (long) shape.length,
        shape,
        strides,
        0L, // storage offset
        type.code,
        deviceType,
        deviceType == CPU ? -1 : 0,
        handle,
        0, // layout: strided
        null, // no opaque metadata
        0L);
    return new PtNDArray((PtNDManager) manager, Pointer.nativeValue(handle.getValue()));
  }

  private static int integer(String function, Pointer handle) {
    IntByReference value = new IntByReference();
    call(function, handle, value);
    return value.getValue();
  }

  private static void call(String name, Object... arguments) {
    Function function = LIBTORCH.getFunction(name);
    int error = function.invokeInt(arguments);
    if (error != 0) {
      throw new EngineException("%s failed with %d".formatted(name, error));
    }
  }
}
