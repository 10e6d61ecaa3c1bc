package io.peft4j.cuda;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertNotEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.peft4j.quant.FloatType;
import io.peft4j.quant.FourBitTensor;
import io.peft4j.quant.QuantType;
import io.peft4j.quant.QuantizationConfig;
import io.peft4j.quant.QuantizationException;
import io.peft4j.quant.Quantizer;
import io.peft4j.quant.kernel.Memory;
import io.peft4j.quant.kernel.PackedWeight;
import io.peft4j.quant.kernel.QuantKernels;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.ExtendWith;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

/** What goes wrong on a device: an exception, nothing leaked, and the CPU still does the work. */
@ExtendWith(Standin.class)
class FaultsTest {
  private static final int OUT_OF_MEMORY = 2;

  @BeforeEach
  void fresh() {
    Standin.reset();
  }

  @AfterEach
  void nothingLeaked() {
    assertEquals(0, Standin.get("allocations"));
    assertEquals(0, Standin.get("modules"));
    assertEquals(0, Standin.get("contexts"));
  }

  private static final FloatType TYPE = FloatType.BF16;

  private static FourBitTensor weight() {
    float[] values = new float[64 * 64];
    for (int i = 0; i < values.length; i++) {
      values[i] = (float) Math.sin(i);
    }
    QuantizationConfig config = QuantizationConfig.of(QuantType.NF4).withDoubleQuant(true);
    return (FourBitTensor) new Quantizer(config).quantize(values, 64, 64);
  }

  /** The CPU's kernels on the same weight, which stays usable whatever the device does. */
  private static void runsOnTheCpu(FourBitTensor weight) {
    ByteBuffer x = Gpu.bytes(new float[64], TYPE);
    ByteBuffer y = ByteBuffer.allocate(128).order(ByteOrder.LITTLE_ENDIAN);
    try (PackedWeight placed = QuantKernels.java().place(weight)) {
      placed.multiply(new Memory.Host(x), new Memory.Host(y), 1, TYPE);
    }
    assertArrayEquals(new float[64], TYPE.toFloats(y));
  }

  /** A placed weight is five allocations; any of them may be the one that fails. */
  @ParameterizedTest
  @ValueSource(ints = {0, 1, 2, 3, 4})
  void anAllocationThatFailsLeavesNothingBehind(int allocation) {
    FourBitTensor weight = weight();
    try (CudaContext context = CudaContext.open(0)) {
      Standin.fail("cuMemAlloc_v2", allocation, OUT_OF_MEMORY);
      CudaException failure =
          assertThrows(CudaException.class, () -> DeviceWeight.copyOf(context, weight));
      assertEquals("cuMemAlloc", failure.call());
      assertTrue(failure.isOutOfMemory());
      assertTrue(failure.getMessage().contains("CUDA_ERROR_OUT_OF_MEMORY (2)"));
      assertEquals(0, Standin.get("allocations"));
      runsOnTheCpu(weight);
      assertTrue(context.isUsable());
      DeviceWeight.copyOf(context, weight).close(); // there is memory again
    }
  }

  @Test
  void aWeightThatDoesNotFitIsRefused() {
    Standin.set("memory", 2000);
    FourBitTensor weight = weight();
    try (CudaContext context = CudaContext.open(0)) {
      assertThrows(CudaException.class, () -> DeviceWeight.copyOf(context, weight));
    }
    runsOnTheCpu(weight);
  }

  @Test
  void anUploadThatFailsFreesItsMemory() {
    try (CudaContext context = CudaContext.open(0)) {
      Standin.fail("cuMemcpyHtoD_v2", 0, 1);
      CudaException failure =
          assertThrows(CudaException.class, () -> DeviceMemory.copyOf(context, new float[] {1, 2}));
      assertEquals("cuMemcpyHtoD", failure.call());
    }
  }

  @Test
  void aLaunchThatIsRefusedLeavesTheContextUsable() {
    FourBitTensor tensor = weight();
    try (CudaContext context = CudaContext.open(0);
        DeviceWeight weight = DeviceWeight.copyOf(context, tensor);
        DeviceMemory out = DeviceMemory.allocate(context, 2 * tensor.count())) {
      WeightKernels kernels = new WeightKernels(context);
      Standin.fail("cuLaunchKernel", 0, 701); // out of resources
      CudaException failure =
          assertThrows(CudaException.class, () -> kernels.dequantize(weight, TYPE, out.span()));
      assertTrue(failure.getMessage().startsWith("cuLaunchKernel failed with"));
      assertTrue(failure.getMessage().contains("dequantize_bf16"), failure.getMessage());
      assertFalse(failure.isContextLost());
    }
    runsOnTheCpu(tensor);
  }

  @Test
  void aLostContextIsSaidOnceAndForAll() {
    FourBitTensor tensor = weight();
    try (CudaContext context = CudaContext.open(0);
        DeviceWeight weight = DeviceWeight.copyOf(context, tensor);
        DeviceMemory out = DeviceMemory.allocate(context, 2 * tensor.count())) {
      WeightKernels kernels = new WeightKernels(context);
      Standin.fail("cuLaunchKernel", 0, 719); // launch failed
      assertThrows(CudaException.class, () -> kernels.dequantize(weight, TYPE, out.span()));
      assertFalse(context.isUsable());
      CudaException later =
          assertThrows(CudaException.class, () -> kernels.dequantize(weight, TYPE, out.span()));
      assertEquals("cuLaunchKernel", later.call());
      assertTrue(later.getMessage().contains("restart the process"), later.getMessage());
      assertThrows(CudaException.class, out::download);
      runsOnTheCpu(tensor);
    }
  }

  @Test
  void anErrorOfAnEarlierLaunchSurfacesAtTheLatestWhenWaiting() {
    try (CudaContext context = CudaContext.open(0)) {
      Standin.fail("cuCtxSynchronize", 0, 700);
      CudaException failure = assertThrows(CudaException.class, context::synchronize);
      assertEquals("cuCtxSynchronize", failure.call());
      assertTrue(failure.isContextLost());
    }
  }

  @ParameterizedTest
  @CsvSource({
    "cuDevicePrimaryCtxRetain, 2, cuDevicePrimaryCtxRetain",
    "cuCtxSetCurrent, 1, cuCtxSetCurrent"
  })
  void aContextThatDoesNotOpenIsGivenBack(String call, int result, String named) {
    Standin.fail(call, 0, result);
    CudaException failure = assertThrows(CudaException.class, () -> CudaContext.open(0));
    assertEquals(named, failure.call());
  }

  @Test
  void aModuleThatDoesNotLoadIsNamed() {
    try (Gpu gpu = new Gpu(1)) {
      Standin.fail("cuModuleLoadData", 0, 218); // invalid PTX
      CudaException failure =
          assertThrows(CudaException.class, () -> gpu.context.kernel("swiglu", "swiglu_f32"));
      assertTrue(failure.getMessage().contains("swiglu.cu"), failure.getMessage());
    }
  }

  @Test
  void argumentsAreCheckedBeforeTheLaunch() {
    try (Gpu gpu = new Gpu(1)) {
      Kernel kernel = gpu.context.kernel("swiglu", "swiglu_f32");
      Arguments tooFew = new Arguments().pointer(null).number(1);
      assertThrows(IllegalArgumentException.class, () -> kernel.launch(1, 256, tooFew));
      DeviceMemory small = gpu.empty(3, FloatType.F32);
      LayerKernels layers = new LayerKernels(gpu.context);
      IllegalArgumentException refused =
          assertThrows(
              IllegalArgumentException.class,
              () -> layers.swiglu(FloatType.F32, small.span(), small.span(), small.span(), 4));
      assertEquals("each operand takes 16 bytes on the device, found 12", refused.getMessage());
      assertEquals(0, Standin.get("launches"));
    }
  }

  @Test
  void closedThingsSaySo() {
    CudaContext context = CudaContext.open(0);
    DeviceMemory memory = DeviceMemory.allocate(context, 16);
    memory.close();
    memory.close();
    assertThrows(IllegalStateException.class, memory::span);
    context.close();
    context.close();
    assertThrows(IllegalStateException.class, () -> context.kernel("swiglu", "swiglu_f32"));
  }

  @ParameterizedTest
  @CsvSource({
    "devices, 0, the NVIDIA driver sees no GPU",
    "version, 11080, 'the driver supports CUDA 11.8, the kernels need 12.0; update it'",
    "capability, 70, 'the GPU''s compute capability is 7.0, the kernels need 7.5 (Turing) or later'"
  })
  void anUnfitGpuIsAbsentWithAReason(String what, long value, String reason) {
    Standin.set(what, value);
    GpuStatus status = GpuStatus.probe();
    assertFalse(status.usable());
    assertEquals(reason, status.reason());
    assertEquals(
        reason, assertThrows(IllegalStateException.class, () -> CudaContext.open(0)).getMessage());
    assertEquals("java", QuantKernels.available().get(0).name());
  }

  @Test
  void anUnknownOrdinalIsAbsentWithAReason() {
    assertEquals("there is no GPU 3, the driver sees 1", GpuStatus.probe(3).reason());
  }

  @Test
  void theServiceFindsTheGpuAndAgreesWithTheCpu() {
    // the service's context lives as long as the process, so it is opened in one of its own
    assertEquals(0, ForkedJvm.run(ServiceOnStandin.class).exit());
  }

  /** Runs in a Java VM of its own. */
  static final class ServiceOnStandin {
    private ServiceOnStandin() {}

    public static void main(String[] args) {
      Standin.reset();
      QuantKernels kernels = QuantKernels.available().get(0);
      assertEquals("cuda", kernels.name());
      assertTrue(kernels.onDevice());
      FourBitTensor tensor = weight();
      try (CudaContext context = CudaContext.open(0);
          PackedWeight device = kernels.place(tensor);
          PackedWeight host = QuantKernels.java().place(tensor);
          DeviceMemory x = DeviceMemory.copyOf(context, Gpu.bytes(ramp(3 * 64), FloatType.F32));
          DeviceMemory y = DeviceMemory.allocate(context, 4 * 3 * 64)) {
        ByteBuffer hostX = Gpu.bytes(ramp(3 * 64), FloatType.F32);
        ByteBuffer hostY = ByteBuffer.allocate(4 * 3 * 64).order(ByteOrder.LITTLE_ENDIAN);
        device.multiply(on(x), on(y), 3, FloatType.F32);
        host.multiply(new Memory.Host(hostX), new Memory.Host(hostY), 3, FloatType.F32);
        assertArrayEquals(floats(hostY), Gpu.floats(y, FloatType.F32), 1e-4f);
        device.multiplyTransposed(on(x), on(y), 3, FloatType.F32);
        host.multiplyTransposed(new Memory.Host(hostX), new Memory.Host(hostY), 3, FloatType.F32);
        assertArrayEquals(floats(hostY), Gpu.floats(y, FloatType.F32), 1e-4f);
        assertThrows(
            QuantizationException.class,
            () -> device.multiply(new Memory.Host(hostX), on(y), 3, FloatType.F32));
        assertThrows(
            QuantizationException.class, () -> device.multiply(on(x), on(y), 2, FloatType.F32));
        assertNotEquals(0, device.bytes());
      }
    }

    private static float[] ramp(int count) {
      float[] values = new float[count];
      for (int i = 0; i < count; i++) {
        values[i] = (float) Math.cos(0.1 * i);
      }
      return values;
    }

    private static Memory on(DeviceMemory memory) {
      return new Memory.Device(memory.span().address(), memory.span().bytes());
    }

    private static float[] floats(ByteBuffer bytes) {
      return FloatType.F32.toFloats(bytes);
    }
  }
}
