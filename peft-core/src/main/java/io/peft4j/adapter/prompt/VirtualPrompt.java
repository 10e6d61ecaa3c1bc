package io.peft4j.adapter.prompt;

import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.NDManager;
import io.peft4j.adapter.method.AdapterBuilder;
import io.peft4j.adapter.method.AdapterConfig;
import io.peft4j.adapter.method.Export;
import io.peft4j.model.Model;
import io.peft4j.model.module.Embedding;
import io.peft4j.model.module.EmbeddingAdapter;
import io.peft4j.model.module.Kept;
import io.peft4j.model.module.Pass;
import io.peft4j.torch.Ops;
import java.util.LinkedHashMap;
import java.util.Locale;
import java.util.Map;
import java.util.Set;

/**
 * Trained vectors in place of the first tokens of each example: what prompt tuning and P-tuning
 * have in common. Every example of a packed batch has its own, and the key-value cache of
 * generation holds them like any token.
 *
 * <p>On disk {@value #KEY} [tokens, hidden].
 */
final class VirtualPrompt implements EmbeddingAdapter {

  /** The only tensor of peft's prompt methods. */
  static final String KEY = "prompt_embeddings";

  /** Makes the vectors. */
  interface Rows {
    /** {@return [tokens, hidden], float32 on {@code like}'s manager} */
    NDArray of(NDArray like, Pass pass);
  }

  private final Rows rows;
  private final NDArray trained;
  private final int length;
  private final Model model;
  private final long kept;

  private VirtualPrompt(Rows rows, NDArray trained, int length, Model model, long kept) {
    this.kept = kept;
    this.rows = rows;
    this.trained = trained;
    this.length = length;
    this.model = model;
  }

  /**
   * Puts {@code length} tokens before each example.
   *
   * @param trained one of the trained tensors
   * @param kept how many float32 elements the graph of {@code rows} keeps
   */
  static void add(AdapterBuilder builder, int length, NDArray trained, Rows rows, long kept) {
    Model model = builder.model();
    checkRoom(model, length);
    VirtualPrompt prompt = new VirtualPrompt(rows, trained, length, model, kept);
    Embedding words = model.words();
    builder.attach(
        words.name(),
        () -> {
          model.virtualTokens().addTokens(prompt, length);
          words.add(prompt);
        },
        () -> {
          model.virtualTokens().remove(prompt);
          words.remove(prompt);
        });
  }

  /**
   * @throws IllegalArgumentException if so many tokens leave none for a text
   */
  static void checkRoom(Model model, int length) {
    if (length >= model.maxLength()) {
      throw new IllegalArgumentException(
          String.format(
              Locale.ROOT,
              "'num_virtual_tokens' must be less than the %d tokens that the model takes, found %d",
              model.maxLength(),
              length));
    }
  }

  /** Writes the vectors in place of the tensors that make them up. */
  static void exportRows(AdapterBuilder builder, Rows rows) {
    builder.export(
        new Export() {
          @Override
          public AdapterConfig config(AdapterConfig config) {
            return config;
          }

          @Override
          public Map<String, NDArray> tensors(Map<String, NDArray> all, NDManager scope) {
            Map<String, NDArray> written = new LinkedHashMap<>(all);
            Set.copyOf(all.keySet()).stream()
                .filter(key -> key.startsWith("prompt_encoder."))
                .forEach(written::remove);
            try (NDArray like = scope.create(0f)) {
              NDArray made = rows.of(like, null);
              made.attach(scope);
              written.put(KEY, made);
            }
            return written;
          }
        });
  }

  @Override
  public NDArray ids(NDArray ids) {
    return Ops.atLeastZero(ids);
  }

  @Override
  public NDArray output(NDArray ids, NDArray y, Embedding embedding, Pass pass) {
    return PromptOps.virtualRows(ids, y, rows.of(y, pass), model.virtualTokens().offset(this));
  }

  @Override
  public boolean mergeable() {
    return false;
  }

  @Override
  public NDArray mergedTable(NDArray table, NDArray base, NDManager manager) {
    throw new IllegalArgumentException(embeddingName() + ": a prompt cannot be merged");
  }

  private String embeddingName() {
    return model.words().name();
  }

  /** Which tokens are whose (int64), whether they are, and what makes the rows. */
  @Override
  public Kept kept(long dim) {
    return new Kept(5, length * dim, kept);
  }

  @Override
  public boolean trainable() {
    return length > 0 && trained.hasGradient();
  }
}
