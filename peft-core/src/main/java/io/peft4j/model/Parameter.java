package io.peft4j.model;

import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.types.Shape;
import io.peft4j.torch.Ops;
import java.util.LinkedHashMap;
import java.util.Map;

/**
 * A named tensor of the base model, frozen, over which an adapter may lay a tensor of its own (a
 * trained copy, a merged weight). The base tensor is never written to, so taking the overlay away
 * restores the model exactly.
 */
public final class Parameter {

  private final String name;
  private final NDArray base;
  private final boolean turned;
  private final Parameter tied;
  private final Map<Object, NDArray> overlays = new LinkedHashMap<>();
  private NDArray value;

  Parameter(String name, NDArray base) {
    this(name, base, false, null);
  }

  /**
   * @param turned whether the checkpoint stores it transposed
   * @param tied the parameter whose tensor this shares, or null
   */
  Parameter(String name, NDArray base, boolean turned, Parameter tied) {
    this.name = name;
    this.base = base;
    this.turned = turned;
    this.tied = tied;
    this.value = base;
  }

  /** {@return the name in the checkpoint, such as {@code bert.pooler.dense.weight}} */
  public String name() {
    return name;
  }

  public Shape shape() {
    return base.getShape();
  }

  /** {@return whether the checkpoint stores it transposed, as GPT-2's linear layers are} */
  public boolean turned() {
    return turned;
  }

  /**
   * {@return the parameter whose tensor the checkpoint has for this one too, or null}: a language
   * model's head may be tied to its embedding
   */
  public Parameter tied() {
    return tied;
  }

  /** {@return the frozen tensor} */
  public NDArray base() {
    return base;
  }

  /** {@return the tensor in use: the overlay laid last, else the base} */
  public NDArray value() {
    return value;
  }

  /** {@return {@link #value} in the element type of {@code x}} */
  NDArray valueFor(NDArray x) {
    return Ops.typedLike(x, value);
  }

  /**
   * Uses {@code overlay} in place of the base. The caller keeps ownership.
   *
   * @param owner who lays it, to take it away again
   */
  public void lay(Object owner, NDArray overlay) {
    if (!overlay.getShape().equals(shape())) {
      throw new IllegalArgumentException(
          name + ": expected shape " + shape() + ", found " + overlay.getShape());
    }
    overlays.remove(owner);
    overlays.put(owner, overlay);
    value = overlay;
  }

  /** Takes away what {@code owner} laid, if anything. */
  public void lift(Object owner) {
    overlays.remove(owner);
    value = base;
    for (NDArray overlay : overlays.values()) {
      value = overlay;
    }
  }

  /** {@return whether the frozen tensor holds finite numbers only} */
  boolean isFinite() {
    try (NDArray wide = Ops.toFloat32(base);
        NDArray magnitudes = wide.abs();
        NDArray largest = magnitudes.max()) {
      return Float.isFinite(largest.getFloat());
    }
  }

  boolean trainable() {
    return value.hasGradient();
  }
}
