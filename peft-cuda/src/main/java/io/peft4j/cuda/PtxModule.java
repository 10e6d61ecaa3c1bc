package io.peft4j.cuda;

import java.io.FileNotFoundException;
import java.io.IOException;
import java.io.InputStream;
import java.io.UncheckedIOException;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import java.util.zip.GZIPInputStream;

/**
 * A file of PTX from the resources, and what its kernels take.
 *
 * @param name of the source file, without extension
 * @param target the compute capability it was made for: 75 or 80
 * @param text the PTX
 * @param kernels bytes of each parameter, by kernel
 */
record PtxModule(String name, int target, String text, Map<String, List<Integer>> kernels) {
  /** The source files, each a module. */
  static final List<String> NAMES =
      List.of(
          "adamw",
          "cross_entropy",
          "dequantize",
          "lora",
          "matmul",
          "matvec_bf16",
          "matvec_f16",
          "matvec_f32",
          "quantize",
          "rms_norm",
          "rotary",
          "skinny",
          "swiglu");

  /** The targets there is PTX for, ascending. */
  static final List<Integer> TARGETS = List.of(75, 80);

  private static final Pattern ENTRY = Pattern.compile("\\.entry\\s+(\\w+)\\s*\\(([^)]*)\\)");
  private static final Pattern PARAMETER =
      Pattern.compile(
          "\\.param(?:\\s+\\.(?:align\\s+\\d+|ptr))*\\s+\\.([a-z]+)(\\d+)[^,\\[]*(?:\\[(\\d+)])?");

  /** The newest PTX that a device of {@code capability} takes. */
  static PtxModule forCapability(String name, int capability) {
    return load(name, targetFor(capability));
  }

  static int targetFor(int capability) {
    return capability >= 80 ? 80 : 75;
  }

  static PtxModule load(String name, int target) {
    String resource = "ptx/compute_" + target + "/" + name + ".ptx.gz";
    try (InputStream in = PtxModule.class.getResourceAsStream(resource)) {
      if (in == null) {
        throw new FileNotFoundException("resource io/peft4j/cuda/" + resource);
      }
      byte[] bytes = new GZIPInputStream(in).readAllBytes();
      return parse(name, target, new String(bytes, StandardCharsets.US_ASCII));
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
  }

  static PtxModule parse(String name, int target, String text) {
    Map<String, List<Integer>> kernels = new LinkedHashMap<>();
    Matcher entry = ENTRY.matcher(text);
    while (entry.find()) {
      List<Integer> sizes = new ArrayList<>();
      Matcher parameter = PARAMETER.matcher(entry.group(2));
      while (parameter.find()) {
        int count = parameter.group(3) == null ? 1 : Integer.parseInt(parameter.group(3));
        sizes.add(Integer.parseInt(parameter.group(2)) / 8 * count);
      }
      kernels.put(entry.group(1), List.copyOf(sizes));
    }
    return new PtxModule(name, target, text, kernels);
  }

  @Override
  public String toString() {
    return String.format(Locale.ROOT, "%s for compute_%d", name, target);
  }

  /** The text as the driver wants it: ending in a zero byte. */
  byte[] image() {
    return (text + '\0').getBytes(StandardCharsets.US_ASCII);
  }
}
