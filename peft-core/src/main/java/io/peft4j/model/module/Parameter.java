package io.peft4j.model.module;

import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.types.Shape;
import io.peft4j.io.MappedFile;
import io.peft4j.torch.Ops;
import java.util.LinkedHashMap;
import java.util.Map;

/**
 * A named tensor of the base model, frozen, over which an adapter may lay a tensor of its own (a
 * trained copy, a merged weight). The base tensor is never written to, so taking the overlay away
 * restores the model exactly.
 */
public final class Parameter {

  /** Brings in a tensor that is not kept in memory. */
  @FunctionalInterface
  public interface Source {
    /** {@return the tensor; closing it frees all it takes} */
    Loaded load();
  }

  /**
   * A tensor and what has to be closed after it.
   *
   * @param memory under the tensor, or null where the tensor owns its own
   */
  public record Loaded(NDArray tensor, MappedFile memory) {}

  private final String name;
  private final Shape shape;
  private final boolean turned;
  private final Parameter tied;
  private final Source source;
  private final Map<Object, NDArray> overlays = new LinkedHashMap<>();
  private Loaded loaded;
  private NDArray laid;

  private Parameter(
      String name, Shape shape, boolean turned, Parameter tied, Source source, NDArray base) {
    this.name = name;
    this.shape = shape;
    this.turned = turned;
    this.tied = tied;
    this.source = source;
    this.loaded = base == null ? null : new Loaded(base, null);
  }

  /**
   * @param turned whether the checkpoint stores it transposed
   */
  public Parameter(String name, NDArray base, boolean turned) {
    this(name, base.getShape(), turned, null, null, base);
  }

  /** One that is loaded when it is first asked for, and again after each {@link #release}. */
  public Parameter(String name, Shape shape, boolean turned, Source source) {
    this(name, shape, turned, null, source, null);
  }

  /** One that shares the tensor of {@code tied}. */
  public Parameter(String name, Parameter tied) {
    this(name, tied.shape, tied.turned, tied, null, null);
  }

  /** {@return the name in the checkpoint, such as {@code bert.pooler.dense.weight}} */
  public String name() {
    return name;
  }

  /**
   * {@return the shape of {@link #value}} It is the base's, unless a table with more rows is laid.
   */
  public Shape shape() {
    return laid != null ? laid.getShape() : shape;
  }

  /** {@return the shape of {@link #base}} */
  public Shape baseShape() {
    return shape;
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
    if (tied != null) {
      return tied.base();
    }
    if (loaded == null) {
      loaded = source.load();
    }
    return loaded.tensor();
  }

  /**
   * Gives up the base's memory, if there is a source to load it from again. No graph may hold it
   * any more.
   */
  public void release() {
    if (tied != null) {
      tied.release();
    } else if (source != null && loaded != null) {
      loaded.tensor().close();
      if (loaded.memory() != null) {
        loaded.memory().close();
      }
      loaded = null;
    }
  }

  /** {@return the tensor in use: the overlay laid last, else the base} */
  public NDArray value() {
    return laid != null ? laid : base();
  }

  /** {@return {@link #value} in the element type of {@code x}} */
  NDArray valueFor(NDArray x) {
    return Ops.typedLike(x, value());
  }

  /**
   * Uses {@code overlay} in place of the base. The caller keeps ownership.
   *
   * @param overlay of the base's shape, but for the number of rows: an adapter may come with a
   *     table for a larger vocabulary, or a head for other labels
   * @param owner who lays it, to take it away again
   */
  public void lay(Object owner, NDArray overlay) {
    Shape found = overlay.getShape();
    if (found.dimension() != shape.dimension() || !found.slice(1).equals(shape.slice(1))) {
      throw new IllegalArgumentException(name + ": expected shape " + shape + ", found " + found);
    }
    overlays.remove(owner);
    overlays.put(owner, overlay);
    laid = overlay;
  }

  /** Takes away what {@code owner} laid, if anything. */
  public void lift(Object owner) {
    overlays.remove(owner);
    laid = null;
    for (NDArray overlay : overlays.values()) {
      laid = overlay;
    }
  }

  /** {@return whether the frozen tensor holds finite numbers only} */
  public boolean isFinite() {
    try (NDArray wide = Ops.toFloat32(base());
        NDArray magnitudes = wide.abs();
        NDArray largest = magnitudes.max()) {
      return Float.isFinite(largest.getFloat());
    }
  }

  boolean trainable() {
    return laid != null && laid.hasGradient();
  }
}
