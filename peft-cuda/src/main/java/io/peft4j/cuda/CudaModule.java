package io.peft4j.cuda;

import java.util.HashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import jcuda.driver.CUfunction;
import jcuda.driver.CUmodule;
import jcuda.driver.JCudaDriver;

/** PTX that the driver has assembled for the device. */
final class CudaModule {
  private final CudaContext context;
  private final PtxModule ptx;
  private final CUmodule module;
  private final Map<String, Kernel> kernels = new HashMap<>();

  private CudaModule(CudaContext context, PtxModule ptx, CUmodule module) {
    this.context = context;
    this.ptx = ptx;
    this.module = module;
  }

  static CudaModule load(CudaContext context, PtxModule ptx) {
    context.enter();
    CUmodule module = new CUmodule();
    context.check(
        "cuModuleLoadData", JCudaDriver.cuModuleLoadData(module, ptx.image()), ptx.name() + ".cu");
    return new CudaModule(context, ptx, module);
  }

  Kernel kernel(String name) {
    Kernel known = kernels.get(name);
    if (known != null) {
      return known;
    }
    List<Integer> parameters = ptx.kernels().get(name);
    if (parameters == null) {
      throw new IllegalArgumentException(
          String.format(
              Locale.ROOT,
              "%s.cu has no kernel %s, but %s",
              ptx.name(),
              name,
              ptx.kernels().keySet()));
    }
    CUfunction function = new CUfunction();
    context.check(
        "cuModuleGetFunction", JCudaDriver.cuModuleGetFunction(function, module, name), name);
    Kernel kernel = new Kernel(context, name, function, parameters);
    kernels.put(name, kernel);
    return kernel;
  }

  /** Returns the driver's code. */
  int unload() {
    return JCudaDriver.cuModuleUnload(module);
  }
}
