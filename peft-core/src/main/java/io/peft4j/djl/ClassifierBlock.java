package io.peft4j.djl;

import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.NDList;
import ai.djl.ndarray.types.Shape;
import ai.djl.nn.AbstractBlock;
import ai.djl.training.ParameterStore;
import ai.djl.util.PairList;
import io.peft4j.data.BatchPlan;
import io.peft4j.data.EpochOrder;
import io.peft4j.model.Model;
import io.peft4j.model.batch.TokenBatch;
import io.peft4j.model.batch.TokenSequence;
import java.util.ArrayList;
import java.util.List;

/**
 * A {@link Model} as a DJL block for inference: takes padded ids, token types and attention mask,
 * int64 [examples, length] each, and gives logits, float32 [examples, labels]. Padding is taken out
 * again and examples of like length run together, whatever batch DJL made.
 *
 * <p>Thread-safe: a model runs one batch at a time.
 */
final class ClassifierBlock extends AbstractBlock {

  private static final int BATCH = 32;

  private final Model model;

  ClassifierBlock(Model model) {
    this.model = model;
  }

  @Override
  protected NDList forwardInternal(
      ParameterStore store, NDList inputs, boolean training, PairList<String, Object> params) {
    if (training) {
      throw new UnsupportedOperationException(
          "this block is for inference; io.peft4j.train trains its model");
    }
    List<TokenSequence> sequences = sequences(inputs);
    int labels = model.labels().size();
    float[] flat = new float[sequences.size() * labels];
    int[] lengths = sequences.stream().mapToInt(TokenSequence::length).toArray();
    int[] order = EpochOrder.sequential(lengths.length);
    synchronized (model) {
      for (int[] examples : BatchPlan.groupedByLength(lengths, order, BATCH).batches()) {
        List<TokenSequence> chosen = new ArrayList<>(examples.length);
        for (int example : examples) {
          chosen.add(sequences.get(example));
        }
        try (TokenBatch batch = model.batch(chosen)) {
          float[][] rows = model.logits(batch);
          for (int i = 0; i < rows.length; i++) {
            System.arraycopy(rows[i], 0, flat, examples[i] * labels, labels);
          }
        }
      }
    }
    NDArray logits = inputs.head().getManager().create(flat, new Shape(sequences.size(), labels));
    return new NDList(logits);
  }

  private List<TokenSequence> sequences(NDList inputs) {
    int rows = (int) inputs.head().getShape().get(0);
    int length = (int) inputs.head().getShape().get(1);
    int[] ids = ints(inputs.get(0));
    int[] types = ints(inputs.get(1));
    int[] mask = ints(inputs.get(2));
    List<TokenSequence> sequences = new ArrayList<>(rows);
    for (int row = 0; row < rows; row++) {
      sequences.add(
          model.unpad(part(ids, row, length), part(types, row, length), part(mask, row, length)));
    }
    return sequences;
  }

  private static int[] ints(NDArray array) {
    long[] wide = array.toLongArray();
    int[] values = new int[wide.length];
    for (int i = 0; i < values.length; i++) {
      values[i] = Math.toIntExact(wide[i]);
    }
    return values;
  }

  private static int[] part(int[] all, int row, int length) {
    return java.util.Arrays.copyOfRange(all, row * length, (row + 1) * length);
  }

  @Override
  public Shape[] getOutputShapes(Shape[] inputShapes) {
    return new Shape[] {new Shape(inputShapes[0].get(0), model.labels().size())};
  }
}
