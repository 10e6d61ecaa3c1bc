package io.peft4j.djl;

import ai.djl.modality.Classifications;
import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.NDList;
import ai.djl.ndarray.NDManager;
import ai.djl.ndarray.types.Shape;
import ai.djl.translate.Translator;
import ai.djl.translate.TranslatorContext;
import ai.djl.util.StringPair;
import io.peft4j.data.Example;
import io.peft4j.data.LabelNames;
import io.peft4j.data.Task;
import io.peft4j.model.Model;
import io.peft4j.text.TextTokenizer;
import io.peft4j.text.Tokens;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.function.Function;

/**
 * Text, or a pair of texts, to a DJL block's padded ids, token types and attention mask, and its
 * logits to {@link Classifications}: softmax of them where there is one label, the sigmoid of each
 * where there are several. A batch is tokenized and padded as one.
 *
 * <p>Thread-safe.
 *
 * @param <I> what is classified
 */
public final class ClassificationTranslator<I> implements Translator<I, Classifications> {

  private final TextTokenizer tokenizer;
  private final Task task;
  private final List<String> labels;
  private final long padId;
  private final Function<I, Example> example;

  private ClassificationTranslator(
      Model model, TextTokenizer tokenizer, Function<I, Example> example) {
    if (model.head().task().isEmpty()) {
      throw new IllegalArgumentException(
          "expected a sequence classifier, found a head for " + model.head().taskType());
    }
    if (model.task() == Task.REGRESSION) {
      throw new IllegalArgumentException("a regression model gives a number, not classes");
    }
    LabelNames names = model.labels();
    this.tokenizer = tokenizer;
    this.task = model.task();
    this.labels = List.copyOf(names.id2label().values());
    this.padId = model.config().json().path("pad_token_id").asLong(0);
    this.example = example;
  }

  /**
   * {@return a translator for single texts}
   *
   * @throws IllegalArgumentException if the model does regression or is no classifier
   */
  public static ClassificationTranslator<String> ofTexts(Model model, TextTokenizer tokenizer) {
    return new ClassificationTranslator<>(
        model, tokenizer, text -> new Example(text, null, null, 1));
  }

  /**
   * {@return a translator for pairs of texts}
   *
   * @throws IllegalArgumentException if the model does regression or is no classifier
   */
  public static ClassificationTranslator<StringPair> ofPairs(Model model, TextTokenizer tokenizer) {
    return new ClassificationTranslator<>(
        model, tokenizer, pair -> new Example(pair.getKey(), pair.getValue(), null, 1));
  }

  @Override
  public NDList batchProcessInput(TranslatorContext context, List<I> inputs) {
    List<Tokens> all = tokenizer.encodeAll(inputs.stream().map(example).toList());
    int rows = all.size();
    int length = all.stream().mapToInt(Tokens::length).max().orElse(0);
    long[] ids = new long[rows * length];
    long[] types = new long[rows * length];
    long[] mask = new long[rows * length];
    Arrays.fill(ids, padId);
    for (int row = 0; row < rows; row++) {
      Tokens tokens = all.get(row);
      for (int i = 0; i < tokens.length(); i++) {
        ids[row * length + i] = tokens.ids()[i];
        types[row * length + i] = tokens.types()[i];
        mask[row * length + i] = 1;
      }
    }
    NDManager manager = context.getNDManager();
    Shape shape = new Shape(rows, length);
    return new NDList(
        manager.create(ids, shape), manager.create(types, shape), manager.create(mask, shape));
  }

  @Override
  public List<Classifications> batchProcessOutput(TranslatorContext context, NDList list) {
    NDArray logits = list.singletonOrThrow();
    float[] flat = logits.toFloatArray();
    List<Classifications> results = new ArrayList<>();
    for (int from = 0; from < flat.length; from += labels.size()) {
      float[] row = Arrays.copyOfRange(flat, from, from + labels.size());
      List<Double> values = Arrays.stream(task.probabilities(row)).boxed().toList();
      results.add(new Classifications(labels, values));
    }
    return results;
  }

  /** A batch of one, without the dimension of the batch, as DJL's batchifiers expect. */
  @Override
  public NDList processInput(TranslatorContext context, I input) {
    NDList batch = batchProcessInput(context, List.of(input));
    NDList single = new NDList();
    batch.forEach(array -> single.add(array.squeeze(0)));
    return single;
  }

  @Override
  public Classifications processOutput(TranslatorContext context, NDList list) {
    return batchProcessOutput(context, list).get(0);
  }
}
