package io.peft4j.adapter;

import com.fasterxml.jackson.databind.JsonNode;
import io.peft4j.Golden;
import io.peft4j.model.CausalLm;
import io.peft4j.model.Model;
import io.peft4j.model.batch.TokenBatch;
import io.peft4j.model.batch.TokenSequence;
import io.peft4j.model.chain.Loss;
import io.peft4j.model.load.LoadOptions;
import io.peft4j.torch.Precision;
import io.peft4j.torch.TrainingOps;
import java.io.IOException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;

/** A model with what golden results of adapters are about. */
final class Subject implements AutoCloseable {
  final JsonNode golden;
  final CausalLm lm;
  final Model model;
  final AdaptedModel adapted;

  /**
   * @param golden what a make_*.py wrote: a base, and what goes in and comes out
   */
  Subject(JsonNode golden) throws IOException {
    this(golden, Precision.FLOAT32);
  }

  Subject(JsonNode golden, Precision precision) throws IOException {
    this.golden = golden;
    LoadOptions options = LoadOptions.DEFAULT.withPrecision(precision);
    Path base = Golden.path(golden.get("base").asText());
    lm = golden.has("cases") ? null : CausalLm.load(base, options);
    model = lm == null ? Model.load(base, options) : lm.model();
    adapted = new AdaptedModel(model);
  }

  /** {@return the distance of the encoder's logits from the golden ones} */
  double distance() {
    double largest = 0;
    for (JsonNode test : Golden.json(golden.get("base").asText() + "/golden.json").get("cases")) {
      JsonNode expected = golden.get("logits").get(test.get("name").asText());
      if (expected != null) {
        try (TokenBatch batch = Golden.batch(model, test.get("inputs"))) {
          largest =
              Math.max(largest, Golden.distance(Golden.matrix(expected), model.logits(batch)));
        }
      }
    }
    return largest;
  }

  private JsonNode inputs() {
    if (lm != null) {
      return golden.get("inputs");
    }
    for (JsonNode test : Golden.json(golden.get("base").asText() + "/golden.json").get("cases")) {
      if (test.get("name").equals(golden.get("case"))) {
        return test.get("inputs");
      }
    }
    throw new AssertionError("no case " + golden.get("case"));
  }

  TokenBatch batch() {
    List<TokenSequence> sequences = new ArrayList<>();
    JsonNode inputs = inputs();
    for (int i = 0; i < inputs.get("input_ids").size(); i++) {
      JsonNode types = inputs.get("token_type_ids");
      TokenSequence sequence =
          model.unpad(
              Golden.ints(inputs.get("input_ids").get(i)),
              types == null ? null : Golden.ints(types.get(i)),
              Golden.ints(inputs.get("attention_mask").get(i)));
      if (lm != null) {
        int[] labels = Golden.ints(golden.get("labels").get(i));
        sequence = sequence.withLabels(Arrays.copyOf(labels, sequence.length()));
      }
      sequences.add(sequence);
    }
    return model.batch(sequences);
  }

  /** {@return an encoder's logits, or a decoder's log-probabilities, of examples in one batch} */
  float[][] run(int[]... ids) {
    List<TokenSequence> sequences =
        Arrays.stream(ids)
            .map(of -> lm != null ? lm.sequence(of) : model.sequence(of, null))
            .toList();
    if (lm != null) {
      return lm.logProbs(sequences);
    }
    try (TokenBatch batch = model.batch(sequences)) {
      return model.logits(batch);
    }
  }

  double backward(boolean recompute) {
    try (TokenBatch batch = batch()) {
      Loss loss =
          lm != null
              ? null
              : logits -> {
                long[] labels =
                    Arrays.stream(Golden.ints(golden.get("labels"))).asLongStream().toArray();
                return TrainingOps.crossEntropy(logits, logits.getManager().create(labels));
              };
      return model.forwardBackward(batch, loss, 1, 5, recompute);
    }
  }

  @Override
  public void close() {
    adapted.close();
    if (lm == null) {
      model.close();
    } else {
      lm.close();
    }
  }
}
