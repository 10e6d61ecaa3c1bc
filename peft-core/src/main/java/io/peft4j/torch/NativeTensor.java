package io.peft4j.torch;

import ai.djl.engine.EngineException;
import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.NDManager;
import ai.djl.pytorch.engine.PtNDArray;
import ai.djl.pytorch.engine.PtNDManager;
import ai.djl.pytorch.jni.LibUtils;
import com.sun.jna.Function;
import com.sun.jna.NativeLibrary;
import com.sun.jna.Pointer;
import com.sun.jna.ptr.PointerByReference;
import java.nio.file.Path;

/**
 * Tensors over memory that libtorch did not allocate, through its stable C interface ({@code
 * torch/csrc/inductor/aoti_torch/c/shim.h}, libtorch 2.7).
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
    BFLOAT16(15);

    private final int code;

    Type(int code) {
      this.code = code;
    }

    int code() {
      return code;
    }
  }

  private static final Function FROM_BLOB =
      library().getFunction("aoti_torch_create_tensor_from_blob_v2");

  private NativeTensor() {}

  private static NativeLibrary library() {
    // Ops has loaded the engine, or does now.
    NDManager.newBaseManager("PyTorch").close();
    Path folder = Path.of(LibUtils.getLibtorchPath());
    return NativeLibrary.getInstance(folder.resolve(System.mapLibraryName("torch_cpu")).toString());
  }

  /**
   * A CPU tensor whose elements are the memory at {@code address}: nothing is copied.
   *
   * @param manager owner of the result
   * @param address of the first element, aligned to the element size; the memory must stay valid
   *     until the tensor, and whatever graph holds it, is gone
   * @param shape row-major
   * @throws EngineException if libtorch refuses
   */
  public static NDArray wrap(NDManager manager, long address, Type type, long... shape) {
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
    int error =
        FROM_BLOB.invokeInt(
            new Object[] {
              new Pointer(address),
              (long) shape.length,
              sizes,
              strides,
              0L, // storage offset
              type.code,
              0, // device type: CPU
              -1, // device index: the only one
              handle,
              0, // layout: strided
              null, // no opaque metadata
              0L
            });
    if (error != 0) {
      throw new EngineException(
          "libtorch could not wrap memory as a " + type + " tensor (error " + error + ")");
    }
    return new PtNDArray((PtNDManager) manager, Pointer.nativeValue(handle.getValue()));
  }
}
