package io.peft4j.adapter.library;

import io.peft4j.adapter.method.MethodConfig;
import java.util.Locale;

/** Forms of bottleneck adapters that have names, with the values of the adapters library. */
public final class BottleneckPresets {

  private BottleneckPresets() {}

  /**
   * {@return the config of a form: pfeiffer (seq_bn), houlsby (double_seq_bn), parallel (par_bn) or
   * scaled_parallel (scaled_par_bn)}
   *
   * @throws IllegalArgumentException if there is none of that name
   */
  public static MethodConfig named(String name) {
    MethodConfig config = MethodConfig.of("BOTTLENECK");
    return switch (name.toLowerCase(Locale.ROOT).replace('-', '_')) {
      case "pfeiffer", "seq_bn" -> config;
      case "houlsby", "double_seq_bn" ->
          config
              .with("original_ln_before", false)
              .with("mh_adapter", true)
              .with("non_linearity", "swish");
      case "parallel", "par_bn" -> parallel(config).with("scaling", 4.0);
      case "scaled_parallel", "scaled_par_bn" -> parallel(config).with("scaling", "learned");
      default ->
          throw new IllegalArgumentException(
              "expected pfeiffer, houlsby, parallel or scaled_parallel, found " + name);
    };
  }

  private static MethodConfig parallel(MethodConfig config) {
    return config
        .with("original_ln_before", false)
        .with("reduction_factor", 2)
        .with("init_weights", "mam_adapter")
        .with("is_parallel", true);
  }
}
