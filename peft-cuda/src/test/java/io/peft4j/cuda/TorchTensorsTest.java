package io.peft4j.cuda;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import ai.djl.Device;
import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.NDManager;
import ai.djl.ndarray.types.DataType;
import ai.djl.ndarray.types.Shape;
import io.peft4j.quant.FloatType;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.ExtendWith;

/**
 * Memory shared between PyTorch and kernels. The stand-in's device memory is the CPU's, as its is.
 */
@ExtendWith(Standin.class)
class TorchTensorsTest {
  @BeforeEach
  void fresh() {
    Standin.reset();
  }

  @Test
  void aKernelsResultIsATensorWithoutACopy() {
    try (Gpu gpu = new Gpu(1);
        NDManager manager = NDManager.newBaseManager(Device.cpu(), "PyTorch")) {
      DeviceMemory gate = gpu.upload(new float[] {1, 2, 3, 4, 5, 6}, FloatType.F32);
      DeviceMemory up = gpu.upload(new float[] {1, 1, 1, 2, 2, 2}, FloatType.F32);
      DeviceMemory y = gpu.empty(6, FloatType.F32);
      NDArray tensor = TorchTensors.wrap(manager, y.span(), TorchTensors.Type.FLOAT32, 2, 3);
      new LayerKernels(gpu.context).swiglu(FloatType.F32, gate.span(), up.span(), y.span(), 6);
      assertEquals(new Shape(2, 3), tensor.getShape());
      assertArrayEquals(Gpu.floats(y, FloatType.F32), tensor.toFloatArray());
      tensor.muli(2);
      assertArrayEquals(tensor.toFloatArray(), Gpu.floats(y, FloatType.F32));
    }
  }

  @Test
  void aTensorsMemoryGoesToAKernelWithoutACopy() {
    try (Gpu gpu = new Gpu(1);
        NDManager manager = NDManager.newBaseManager(Device.cpu(), "PyTorch")) {
      NDArray gate = manager.create(new float[] {-1, 0, 1, 2});
      NDArray up = manager.ones(new Shape(4));
      NDArray y = manager.zeros(new Shape(4));
      DeviceSpan out = TorchTensors.span(y, false);
      assertEquals(16, out.bytes());
      new LayerKernels(gpu.context)
          .swiglu(
              FloatType.F32, TorchTensors.span(gate, false), TorchTensors.span(up, false), out, 4);
      float[] expected = gate.mul(gate.neg().exp().add(1).pow(-1)).toFloatArray();
      assertArrayEquals(expected, y.toFloatArray(), 1e-6f);
    }
  }

  @Test
  void whatNoKernelCanTakeIsRefused() {
    try (NDManager manager = NDManager.newBaseManager(Device.cpu(), "PyTorch")) {
      NDArray matrix = manager.ones(new Shape(2, 3));
      assertEquals(
          "the tensor is not on a GPU",
          assertThrows(IllegalArgumentException.class, () -> TorchTensors.span(matrix))
              .getMessage());
      String message =
          assertThrows(
                  IllegalArgumentException.class,
                  () -> TorchTensors.span(matrix.transpose(), false))
              .getMessage();
      assertTrue(message.startsWith("the tensor is not contiguous: stride 3"), message);
      NDArray doubles = manager.zeros(new Shape(2), DataType.FLOAT64);
      assertThrows(IllegalArgumentException.class, () -> TorchTensors.span(doubles, false));
    }
  }

  @Test
  void memoryThatIsTooSmallForTheShapeIsRefused() {
    try (Gpu gpu = new Gpu(1);
        NDManager manager = NDManager.newBaseManager(Device.cpu(), "PyTorch")) {
      DeviceSpan span = gpu.empty(4, FloatType.F32).span();
      assertThrows(
          IllegalArgumentException.class,
          () -> TorchTensors.wrap(manager, span, TorchTensors.Type.FLOAT32, 5));
    }
  }
}
