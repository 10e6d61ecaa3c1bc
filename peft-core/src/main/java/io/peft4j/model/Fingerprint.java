package io.peft4j.model;

import ai.djl.Device;
import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.NDManager;
import ai.djl.ndarray.index.NDIndex;
import io.peft4j.model.module.Linear;
import io.peft4j.model.module.Module;
import io.peft4j.model.module.Parameter;
import io.peft4j.model.module.Projection;
import io.peft4j.safetensors.Checkpoint;
import io.peft4j.safetensors.TensorInfo;
import io.peft4j.torch.HostTensors;
import io.peft4j.torch.Natives;
import io.peft4j.torch.Ops;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.charset.StandardCharsets;
import java.security.MessageDigest;
import java.security.NoSuchAlgorithmException;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.HexFormat;
import java.util.List;
import java.util.TreeSet;

/**
 * SHA-256 over tensors: of each, in the order of their names, a line {@code NAME TYPE SHAPE} and
 * the elements' bytes. How they are spread over files, or what metadata these have, does not count.
 * Streams, so size is no limit; one core takes in the order of a gigabyte a second.
 */
public final class Fingerprint {

  /** A tensor in memory is handed over in parts of so many elements. */
  private static final long PART = 1 << 24;

  private final MessageDigest digest;

  private Fingerprint() {
    try {
      digest = MessageDigest.getInstance("SHA-256");
    } catch (NoSuchAlgorithmException e) {
      throw new IllegalStateException("every Java platform has SHA-256", e);
    }
  }

  /** {@return the fingerprint of a checkpoint's tensors as they are stored, 64 hex digits} */
  public static String of(Checkpoint checkpoint) {
    Fingerprint fingerprint = new Fingerprint();
    for (String name : new TreeSet<>(checkpoint.names())) {
      TensorInfo info = checkpoint.info(name);
      fingerprint.line(name, info.dtype().name(), info.shape());
      fingerprint.stream(checkpoint, name);
    }
    return fingerprint.hex();
  }

  /**
   * {@return the fingerprint of the base tensors that {@code model} has in memory, 64 hex digits}
   * Equal before and after training if, and only if, the base was left alone. It is not that of the
   * checkpoint: a model may lack tensors, have new ones and hold them in another type.
   */
  public static String ofParameters(Model model) {
    List<Parameter> parameters = new ArrayList<>(model.modules().parameters());
    parameters.sort(Comparator.comparing(Parameter::name));
    Fingerprint fingerprint = new Fingerprint();
    for (Parameter parameter : parameters) {
      NDArray base = parameter.base();
      List<Long> shape = HostTensors.dimensions(base.getShape());
      fingerprint.line(
          parameter.name(), Ops.isBfloat16(base) ? "BF16" : base.getDataType().name(), shape);
      fingerprint.memory(base);
    }
    for (Module module : model.modules().leaves()) {
      if (module instanceof Linear linear && linear.weight() == null) {
        fingerprint.packed(linear);
      }
    }
    return fingerprint.hex();
  }

  /** A weight that is not kept dense, by what it stands for. */
  private void packed(Linear linear) {
    Projection projection = linear.projection();
    line(linear.name() + ".weight", "PACKED", List.of(projection.out(), projection.in()));
    try (NDManager scope = Natives.newManager(Device.cpu())) {
      memory(projection.storedWeight(scope));
    }
  }

  private void line(String name, String type, List<Long> shape) {
    digest.update((name + " " + type + " " + shape + "\n").getBytes(StandardCharsets.UTF_8));
  }

  private void stream(Checkpoint checkpoint, String name) {
    try {
      checkpoint.source(name).content().showTo(digest::update);
    } catch (IOException e) {
      throw new UncheckedIOException(checkpoint.path() + ": tensor '" + name + "'", e);
    }
  }

  /** The elements as float32, which holds a bfloat16 exactly. */
  private void memory(NDArray array) {
    try (NDArray flat = array.reshape(-1)) {
      for (long at = 0; at < flat.size(); at += PART) {
        long end = Math.min(at + PART, flat.size());
        try (NDArray part = flat.get(new NDIndex().addSliceDim(at, end));
            NDArray wide = Ops.toFloat32(part)) {
          digest.update(HostTensors.elements(wide));
        }
      }
    }
  }

  private String hex() {
    return HexFormat.of().formatHex(digest.digest());
  }
}
