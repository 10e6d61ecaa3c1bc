package io.peft4j.cuda;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.peft4j.quant.FloatType;
import java.util.Locale;
import jcuda.driver.CUresult;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.ExtendWith;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

/** That the stand-in driver notices what it is there to notice: kernels that are wrong. */
@ExtendWith(Standin.class)
class StandinTest {
  @BeforeEach
  void fresh() {
    Standin.reset();
  }

  private static Kernel faulty(Gpu gpu, String name) {
    String ptx =
        String.format(
            Locale.ROOT,
            ".version 8.0\n.target sm_80\n.visible .entry %s(\n.param .u64 %s_param_0,\n.param .u32 %s_param_1\n)\n{ }\n",
            name,
            name,
            name);
    CudaModule module = CudaModule.load(gpu.context, PtxModule.parse("faulty", 80, ptx));
    gpu.keep(module::unload);
    return module.kernel(name);
  }

  @ParameterizedTest
  @CsvSource({
    "faulty_write_beyond, 64, 16, 0, CUDA_ERROR_ILLEGAL_ADDRESS",
    "faulty_read_beyond, 64, 16, 0, CUDA_ERROR_ILLEGAL_ADDRESS",
    "faulty_write_beside, 61, 61, 0, CUDA_ERROR_ILLEGAL_ADDRESS",
    "faulty_misaligned, 64, 1, 0, CUDA_ERROR_ILLEGAL_INSTRUCTION",
    "faulty_shared_index, 64, 1, 0, CUDA_ERROR_ILLEGAL_INSTRUCTION",
    "faulty_dynamic_shared, 64, 1, 128, CUDA_ERROR_ILLEGAL_ADDRESS",
    "faulty_deadlock, 256, 16, 0, CUDA_ERROR_LAUNCH_TIMEOUT"
  })
  void aFaultEndsTheLaunchAndLosesTheContext(
      String name, long bytes, int count, int shared, String error) {
    try (Gpu gpu = new Gpu(1)) {
      Kernel kernel = faulty(gpu, name);
      DeviceMemory memory = gpu.bytes(bytes);
      Arguments arguments = new Arguments().pointer(memory.span()).number(count);
      int threads = name.equals("faulty_deadlock") ? 64 : 32;
      CudaException failure =
          assertThrows(CudaException.class, () -> kernel.launch(1, 1, threads, shared, arguments));
      assertEquals(error, CUresult.stringFor(failure.code()));
      assertTrue(failure.getMessage().contains(name), failure.getMessage());
      assertTrue(failure.isContextLost());
      assertFalse(gpu.context.isUsable());
    }
    assertEquals(0, Standin.get("allocations"));
  }

  @Test
  void aMissingBarrierShowsInAnotherOrderOfThreads() {
    float[][] results = new float[2][];
    for (int order = 0; order < 2; order++) {
      Standin.set("order", order);
      try (Gpu gpu = new Gpu(1)) {
        DeviceMemory memory = gpu.empty(32, FloatType.F32);
        faulty(gpu, "faulty_race").launch(1, 32, new Arguments().pointer(memory.span()).number(1));
        results[order] = Gpu.floats(memory, FloatType.F32);
      }
    }
    assertEquals(-1, results[0][0]);
    assertEquals(31, results[1][0]);
  }

  @Test
  void aCopyThatNobodyWaitsForHasNotHappened() {
    try (Gpu gpu = new Gpu(1)) {
      float[] ones = new float[128];
      java.util.Arrays.fill(ones, 1);
      DeviceMemory memory = gpu.upload(ones, FloatType.F32);
      faulty(gpu, "faulty_unawaited_copy")
          .launch(1, 32, new Arguments().pointer(memory.span()).number(1));
      assertEquals(0, Gpu.floats(memory, FloatType.F32)[0]);
    }
  }

  @Test
  void memoryReadBeforeItIsWrittenIsNan() {
    try (Gpu gpu = new Gpu(1)) {
      assertTrue(Float.isNaN(Gpu.floats(gpu.empty(1, FloatType.F32), FloatType.F32)[0]));
    }
  }

  @ParameterizedTest
  @ValueSource(ints = {75, 80})
  void aNewerDeviceTakesTheNewestPtx(int capability) {
    Standin.set("capability", capability);
    try (Gpu gpu = new Gpu(1)) {
      gpu.context.kernel("matmul", "matmul_bf16");
      assertEquals(1, Standin.get("modules"));
    }
    assertEquals(0, Standin.get("modules"));
    assertEquals(0, Standin.get("contexts"));
  }
}
