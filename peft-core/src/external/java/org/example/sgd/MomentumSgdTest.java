package org.example.sgd;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertSame;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.NDManager;
import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import io.peft4j.adapter.AdaptedModel;
import io.peft4j.adapter.lora.LoraConfig;
import io.peft4j.model.Model;
import io.peft4j.model.batch.TokenSequence;
import io.peft4j.model.load.LoadOptions;
import io.peft4j.train.ClassificationSet;
import io.peft4j.train.Schedule;
import io.peft4j.train.Trainer;
import io.peft4j.train.TrainingArguments;
import io.peft4j.train.TrainingArguments.When;
import io.peft4j.train.optimizer.Optimizer;
import io.peft4j.train.report.StepReport;
import io.peft4j.train.report.TrainingListener;
import java.io.IOException;
import java.net.URISyntaxException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Random;
import java.util.concurrent.CancellationException;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** An optimizer from outside: its numbers are torch's, and a training has it as it has its own. */
class MomentumSgdTest {

  private static final Map<String, String> SETTINGS = Map.of("momentum", "0.9", "dampening", "0.1");

  private static TrainingArguments.Builder arguments() {
    return TrainingArguments.builder()
        .optim("sgd_momentum")
        .optimArgs(SETTINGS)
        .maxSteps(24)
        .perDeviceTrainBatchSize(6)
        .learningRate(0.08)
        .lrSchedulerType(Schedule.CONSTANT)
        .weightDecay(0.01)
        .saveStrategy(When.STEPS)
        .saveSteps(5);
  }

  private static Path resource(String name) {
    try {
      return Path.of(MomentumSgdTest.class.getResource(name).toURI());
    } catch (URISyntaxException e) {
      throw new IllegalStateException(e);
    }
  }

  private static JsonNode golden() throws IOException {
    return new ObjectMapper().readTree(resource("golden.json").toFile());
  }

  private static float[] floats(JsonNode numbers) {
    float[] values = new float[numbers.size()];
    for (int i = 0; i < values.length; i++) {
      values[i] = (float) numbers.get(i).asDouble();
    }
    return values;
  }

  @Test
  void tenStepsAreThoseOfTorch() throws IOException {
    JsonNode golden = golden();
    TrainingArguments arguments = arguments().build();
    assertEquals(golden.get("momentum").asDouble(), arguments.optimArg("momentum", 0));
    assertEquals(golden.get("dampening").asDouble(), arguments.optimArg("dampening", 0));
    try (NDManager manager = NDManager.newBaseManager("PyTorch")) {
      Map<String, NDArray> parameters = new LinkedHashMap<>();
      golden
          .get("start")
          .properties()
          .forEach(
              start -> parameters.put(start.getKey(), manager.create(floats(start.getValue()))));
      Optimizer optimizer = arguments.optimizer().create(parameters, manager, arguments);
      for (int i = 0; i < golden.get("rates").size(); i++) {
        for (String name : parameters.keySet()) {
          double decay = name.endsWith("bias") ? 0 : golden.get("weight_decay").asDouble();
          double rate = golden.get("rates").get(i).asDouble();
          double scale = golden.get("scales").get(i).asDouble();
          float[] gradient = floats(golden.get("gradients").get(i).get(name));
          optimizer.step(
              new Optimizer.Step(i + 1, rate, decay, scale),
              Map.of(name, manager.create(gradient)));
          assertArrayEquals(
              floats(golden.get("after").get(i).get(name)),
              parameters.get(name).toFloatArray(),
              1e-6f,
              name + " after step " + (i + 1));
        }
      }
    }
  }

  /** What a training left, and what it said. */
  private record Run(byte[] adapter, List<Double> losses) {}

  /**
   * @param stopAfter steps after which the training is stopped; 0 for never
   */
  private static Run train(TrainingArguments arguments, Path output, boolean resume, int stopAfter)
      throws IOException {
    List<Double> losses = new ArrayList<>();
    try (Model model = Model.load(resource("/golden/encoders/bert"), LoadOptions.DEFAULT);
        AdaptedModel adapted = new AdaptedModel(model)) {
      adapted.add("a", LoraConfig.builder().r(4).loraDropout(0.1).taskType("SEQ_CLS").build(), 1);
      Trainer[] trainer = new Trainer[1];
      TrainingListener listener =
          new TrainingListener() {
            @Override
            public void onStep(StepReport step) {
              losses.add(step.loss());
              if (step.step() == stopAfter) {
                trainer[0].stop();
              }
            }
          };
      trainer[0] =
          new Trainer(adapted, "a", arguments, examples(model), null, listener, output, Map.of());
      trainer[0].train(resume);
    }
    return new Run(Files.readAllBytes(output.resolve("adapter_model.safetensors")), losses);
  }

  private static ClassificationSet examples(Model model) {
    Random random = new Random(7);
    List<TokenSequence> sequences = new ArrayList<>();
    float[][] labels = new float[6][1];
    for (int i = 0; i < labels.length; i++) {
      int[] ids = random.ints(3 + random.nextInt(9), 4, 119).toArray();
      sequences.add(model.sequence(ids, null));
      labels[i][0] = ids[0] % 3;
    }
    return new ClassificationSet(sequences, labels);
  }

  private static double mean(List<Double> values) {
    return values.stream().mapToDouble(Double::doubleValue).average().orElseThrow();
  }

  @Test
  void trainsAndResumesWithTheSameBytes(@TempDir Path folder) throws IOException {
    TrainingArguments arguments = arguments().build();
    Run whole = train(arguments, folder.resolve("whole"), false, 0);
    List<Double> losses = whole.losses();
    assertEquals(24, losses.size());
    double first = mean(losses.subList(0, 4));
    double last = mean(losses.subList(20, 24));
    System.out.println("sgd_momentum: loss " + first + ", after 20 steps " + last);
    assertTrue(last < 0.9 * first, "loss " + first + ", then " + last);

    Path stopped = folder.resolve("stopped");
    assertThrows(CancellationException.class, () -> train(arguments, stopped, false, 13));
    Run rest = train(arguments, stopped, true, 0);
    assertEquals(losses.subList(13, 24), rest.losses());
    assertArrayEquals(whole.adapter(), rest.adapter());
    for (String file : List.of("optimizer.safetensors", "adapter_model.safetensors")) {
      Path end = Path.of("checkpoint-24", file);
      assertArrayEquals(
          Files.readAllBytes(folder.resolve("whole").resolve(end)),
          Files.readAllBytes(stopped.resolve(end)),
          file);
    }
  }

  @Test
  void anotherMomentumDoesNotGoOn(@TempDir Path folder) throws IOException {
    assertThrows(CancellationException.class, () -> train(arguments().build(), folder, false, 2));
    TrainingArguments other = arguments().optimArgs(Map.of("momentum", "0.5")).build();
    IllegalArgumentException e =
        assertThrows(IllegalArgumentException.class, () -> train(other, folder, true, 0));
    assertTrue(e.getMessage().contains("momentum (now 0.5, then 0.9)"), e.getMessage());
    TrainingArguments adam = arguments().optimArgs(Map.of()).optim("adamw_torch").build();
    e = assertThrows(IllegalArgumentException.class, () -> train(adam, folder, true, 0));
    assertTrue(e.getMessage().contains("optim (now null, then sgd_momentum)"), e.getMessage());
  }

  @Test
  void isGivenAsWellAsNamed() {
    Optimizer.Provider provider = new MomentumSgd.Provider();
    TrainingArguments given = arguments().optim(provider).build();
    assertSame(provider, given.optimizer());
    assertEquals("sgd_momentum", given.optim());
  }

  @Test
  void wrongArgumentsAreRefusedWhenTheyAreBuilt() {
    assertEquals(
        "optim_args: expected of sgd_momentum some of [dampening, momentum], found momentun;"
            + " near: momentum",
        refused(arguments().optimArgs(Map.of("momentun", "0.5"))));
    assertEquals(
        "optim_args: momentum: expected a finite number, found 'much'",
        refused(arguments().optimArgs(Map.of("momentum", "much"))));
    assertEquals(
        "optim_args: momentum must be in [0, 1], found 1.5",
        refused(arguments().optimArgs(Map.of("momentum", "1.5"))));
    assertEquals(
        "optim_args: expected of adamw_torch some of [], found dampening",
        refused(arguments().optim("adamw_torch")));
    assertEquals(
        "optim: expected one of [adamw_torch, paged_adamw_32bit, sgd_momentum], found sgd",
        refused(arguments().optim("sgd")));
  }

  private static String refused(TrainingArguments.Builder arguments) {
    return assertThrows(IllegalArgumentException.class, arguments::build).getMessage();
  }
}
