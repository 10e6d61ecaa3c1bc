package io.peft4j.torch;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertSame;

import ai.djl.Device;
import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.NDManager;
import ai.djl.ndarray.types.DataType;
import ai.djl.ndarray.types.Shape;
import java.nio.ByteBuffer;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;

/** On the CPU, where the way to a device and back can be run, if not seen to cross anything. */
class HostTensorsTest {

  private NDManager manager;

  @BeforeEach
  void open() {
    manager = NDManager.newBaseManager(Device.cpu(), "PyTorch");
  }

  @AfterEach
  void close() {
    manager.close();
  }

  @Test
  void numbersKeepTypeShapeAndOwner() {
    NDArray number = HostTensors.number(manager, 0.1);
    assertEquals(0.1, number.getDouble());
    assertEquals(new Shape(), number.getShape());
    assertEquals(-7L, HostTensors.number(manager, -7L).getLong());
    NDArray many = HostTensors.numbers(manager, 1.5, -2.5);
    assertArrayEquals(new double[] {1.5, -2.5}, many.toDoubleArray());
    assertEquals(Device.cpu(), many.getDevice());
    assertSame(manager, many.getManager());
    assertArrayEquals(
        new long[] {Long.MIN_VALUE, 3},
        HostTensors.numbers(manager, Long.MIN_VALUE, 3L).toLongArray());
  }

  @Test
  void elementsAreTheTensorsOwnMemory() {
    NDArray x = manager.create(new float[] {1, 2});
    HostTensors.elements(x).putFloat(4, 5);
    assertArrayEquals(new float[] {1, 5}, x.toFloatArray());
  }

  @Test
  void fillingOverwritesWhoeverSharesTheMemory() {
    NDArray x = manager.zeros(new Shape(2, 2));
    x.setRequiresGradient(true);
    NDArray shared = Ops.detach(x);
    HostTensors.fill(x, new float[] {1, 2, 3, 4});
    assertArrayEquals(new float[] {1, 2, 3, 4}, shared.toFloatArray());
    NDArray bytes = manager.zeros(new Shape(3), DataType.UINT8);
    HostTensors.fill(bytes, ByteBuffer.wrap(new byte[] {1, 2, (byte) 200}));
    assertArrayEquals(new byte[] {1, 2, (byte) 200}, bytes.toByteArray());
  }

  @Test
  void nothingIsMovedToWhereItIs() {
    NDArray x = Ops.toBfloat16(manager.ones(new Shape(2)));
    assertSame(x, HostTensors.moveTo(manager, x));
  }

  /** The operations that cross devices, which do not mind that here they cross none. */
  @Test
  void copiesKeepTypeAndElements() {
    NDArray like = manager.create(0f);
    NDArray half = Ops.toBfloat16(manager.create(new float[] {1, 2, 3, 4}, new Shape(2, 2)));
    for (NDArray copy :
        new NDArray[] {
          OpsScript.call("on_device", like, half),
          OpsScript.call("on_host", half.transpose()).transpose()
        }) {
      assertEquals(NativeTensor.Type.BFLOAT16, NativeTensor.type(copy));
      assertArrayEquals(new float[] {1, 2, 3, 4}, Ops.toFloat32(copy).toFloatArray());
    }
    NDArray empty = HostTensors.empty(manager, NativeTensor.Type.BFLOAT16, new Shape(2, 3));
    assertEquals(new Shape(2, 3), empty.getShape());
    assertEquals(12, HostTensors.elements(empty).remaining());
  }
}
