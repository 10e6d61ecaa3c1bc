package io.peft4j.djl;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import ai.djl.inference.Predictor;
import ai.djl.modality.Classifications;
import ai.djl.ndarray.NDList;
import ai.djl.ndarray.NDManager;
import ai.djl.ndarray.types.Shape;
import ai.djl.training.ParameterStore;
import ai.djl.translate.TranslateException;
import ai.djl.util.StringPair;
import com.fasterxml.jackson.databind.JsonNode;
import io.peft4j.Golden;
import io.peft4j.adapter.AdaptedModel;
import io.peft4j.data.Task;
import io.peft4j.eval.Metrics;
import io.peft4j.model.Model;
import io.peft4j.model.load.LoadOptions;
import io.peft4j.text.TextTokenizer;
import java.util.ArrayList;
import java.util.Collections;
import java.util.List;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import org.junit.jupiter.api.Test;

class DjlClassifierTest {

  private static final String BERT = "encoders/bert";

  private static double[] softmax(float[] logits) {
    double[] values = new double[logits.length];
    double sum = 0;
    for (int i = 0; i < values.length; i++) {
      values[i] = Math.exp(logits[i]);
      sum += values[i];
    }
    for (int i = 0; i < values.length; i++) {
      values[i] /= sum;
    }
    return values;
  }

  private static void check(Model model, double[] expected, Classifications found) {
    assertEquals(model.labels().names(), found.getClassNames());
    for (int i = 0; i < expected.length; i++) {
      assertEquals(expected[i], found.getProbabilities().get(i), 1e-5);
    }
  }

  /** {@return the golden cases that are single texts, or pairs} */
  private static List<Integer> cases(JsonNode golden, int texts) {
    List<Integer> cases = new ArrayList<>();
    for (int i = 0; i < golden.get("inputs").size(); i++) {
      if (golden.get("inputs").get(i).size() == texts) {
        cases.add(i);
      }
    }
    return cases;
  }

  @Test
  void predictsTransformersProbabilities() throws Exception {
    JsonNode golden = Golden.json(BERT + "/text-logits.json");
    float[][] logits = Golden.matrix(golden.get("logits"));
    try (Model model = Model.load(Golden.path(BERT), LoadOptions.DEFAULT);
        TextTokenizer tokenizer = TextTokenizer.of(Golden.path(BERT), model);
        DjlClassifier classifier = DjlClassifier.of(model, tokenizer);
        Predictor<String, Classifications> predictor = classifier.newPredictor();
        Predictor<StringPair, Classifications> pairs = classifier.newPairPredictor()) {
      List<Integer> singles = cases(golden, 1);
      List<String> texts = new ArrayList<>();
      for (int i : singles) {
        texts.add(golden.get("inputs").get(i).get(0).asText());
        check(model, softmax(logits[i]), predictor.predict(texts.get(texts.size() - 1)));
      }
      List<Classifications> together = predictor.batchPredict(texts);
      for (int i = 0; i < texts.size(); i++) {
        check(model, softmax(logits[singles.get(i)]), together.get(i));
      }
      for (int i : cases(golden, 2)) {
        JsonNode input = golden.get("inputs").get(i);
        StringPair pair = new StringPair(input.get(0).asText(), input.get(1).asText());
        check(model, softmax(logits[i]), pairs.predict(pair));
      }
      // more than one run of the model takes at a time
      List<String> many = new ArrayList<>(Collections.nCopies(50, texts.get(0)));
      many.addAll(Collections.nCopies(50, texts.get(1)));
      List<Classifications> results = predictor.batchPredict(many);
      check(model, softmax(logits[singles.get(0)]), results.get(49));
      check(model, softmax(logits[singles.get(1)]), results.get(50));
      assertEquals(
          model.labels().names().get(Metrics.argmax(logits[0])),
          results.get(0).best().getClassName());
      assertEquals(List.of(), predictor.batchPredict(List.of()));
    }
  }

  @Test
  void servesTheActiveAdapterToSeveralThreads() throws Exception {
    try (Model model = Model.load(Golden.path(BERT), LoadOptions.DEFAULT);
        AdaptedModel adapted = new AdaptedModel(model);
        TextTokenizer tokenizer = TextTokenizer.of(Golden.path(BERT), model);
        DjlClassifier classifier = DjlClassifier.of(model, tokenizer)) {
      String text = "The pump works.";
      List<Double> bare;
      List<Double> tuned;
      List<String> others = List.of("a", "bad battery", "ALARMS failed, loudly! Never again?");
      List<List<Double>> expected = new ArrayList<>();
      try (Predictor<String, Classifications> predictor = classifier.newPredictor()) {
        bare = predictor.predict(text).getProbabilities();
        adapted.load("a", Golden.path("lora/bert-seq-cls"));
        tuned = predictor.predict(text).getProbabilities();
        assertTrue(Math.abs(bare.get(0) - tuned.get(0)) > 1e-3, bare + " and " + tuned);
        for (String other : others) {
          expected.add(predictor.predict(other).getProbabilities());
        }
      }
      ExecutorService threads = Executors.newFixedThreadPool(4);
      try {
        List<Future<Integer>> done = new ArrayList<>();
        for (int t = 0; t < 4; t++) {
          int first = t;
          done.add(
              threads.submit(
                  () -> {
                    try (Predictor<String, Classifications> own = classifier.newPredictor()) {
                      for (int round = 0; round < 25; round++) {
                        int i = (first + round) % others.size();
                        Classifications found =
                            own.batchPredict(List.of(text, others.get(i))).get(1);
                        for (int j = 0; j < found.getProbabilities().size(); j++) {
                          assertEquals(
                              expected.get(i).get(j), found.getProbabilities().get(j), 1e-5);
                        }
                      }
                    }
                    return 25;
                  }));
        }
        for (Future<Integer> future : done) {
          assertEquals(25, future.get());
        }
      } finally {
        threads.shutdownNow();
      }
    }
  }

  @Test
  void severalLabelsGetTheirSigmoid() throws Exception {
    String name = "encoders/bert-multilabel";
    try (Model model = Model.load(Golden.path(name), LoadOptions.DEFAULT);
        TextTokenizer tokenizer = TextTokenizer.of(Golden.path(BERT), model);
        DjlClassifier classifier = DjlClassifier.of(model, tokenizer);
        Predictor<String, Classifications> predictor = classifier.newPredictor()) {
      assertEquals(Task.MULTI_LABEL, model.task());
      int[] ids = tokenizer.encode("bad pump").ids();
      float[] logits;
      try (var batch = model.batch(List.of(model.sequence(ids, null)))) {
        logits = model.logits(batch)[0];
      }
      double[] expected = new double[logits.length];
      for (int i = 0; i < expected.length; i++) {
        expected[i] = 1 / (1 + Math.exp(-logits[i]));
      }
      check(model, expected, predictor.predict("bad pump"));
    }
  }

  @Test
  void refusesRegressionTrainingAndForeignTokens() throws Exception {
    String regression = "encoders/bert-regression";
    try (Model model = Model.load(Golden.path(regression), LoadOptions.DEFAULT);
        TextTokenizer tokenizer = TextTokenizer.of(Golden.path(BERT), model);
        DjlClassifier classifier = DjlClassifier.of(model, tokenizer);
        NDManager manager = NDManager.newBaseManager("PyTorch")) {
      String message =
          assertThrows(IllegalArgumentException.class, classifier::newPredictor).getMessage();
      assertTrue(message.contains("regression"), message);
      NDList inputs = new NDList();
      for (int i = 0; i < 3; i++) {
        inputs.add(manager.ones(new Shape(1, 4)).toType(ai.djl.ndarray.types.DataType.INT64, true));
      }
      assertThrows(
          UnsupportedOperationException.class,
          () ->
              classifier
                  .djlModel()
                  .getBlock()
                  .forward(new ParameterStore(manager, false), inputs, true));
    }
    try (Model model = Model.load(Golden.path(BERT), LoadOptions.DEFAULT);
        TextTokenizer tokenizer = TextTokenizer.load(Golden.path(BERT), 64, 30);
        DjlClassifier classifier = DjlClassifier.of(model, tokenizer);
        Predictor<String, Classifications> predictor = classifier.newPredictor()) {
      String message =
          assertThrows(TranslateException.class, () -> predictor.predict("The pump works."))
              .getCause()
              .getMessage();
      assertTrue(message.contains("vocab_size 30"), message);
      predictor.predict("the pump");
    }
  }
}
