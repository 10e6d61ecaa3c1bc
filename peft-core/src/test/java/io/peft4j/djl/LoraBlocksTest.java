package io.peft4j.djl;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertInstanceOf;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import ai.djl.Model;
import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.NDList;
import ai.djl.ndarray.NDManager;
import ai.djl.ndarray.types.DataType;
import ai.djl.ndarray.types.Shape;
import ai.djl.nn.Activation;
import ai.djl.nn.Block;
import ai.djl.nn.ParallelBlock;
import ai.djl.nn.Parameter;
import ai.djl.nn.SequentialBlock;
import ai.djl.nn.core.Linear;
import ai.djl.nn.norm.LayerNorm;
import ai.djl.training.DefaultTrainingConfig;
import ai.djl.training.EasyTrain;
import ai.djl.training.ParameterStore;
import ai.djl.training.Trainer;
import ai.djl.training.dataset.ArrayDataset;
import ai.djl.training.initializer.XavierInitializer;
import ai.djl.training.listener.TrainingListener;
import ai.djl.training.loss.Loss;
import ai.djl.training.optimizer.Optimizer;
import ai.djl.training.tracker.Tracker;
import io.peft4j.adapter.lora.LoraConfig;
import io.peft4j.adapter.lora.LoraInit;
import io.peft4j.adapter.target.ModuleSelector;
import java.nio.file.Path;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Random;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** LoRA on DJL's blocks, trained by DJL. The task: a network's output under a low-rank shift. */
class LoraBlocksTest {

  private static final int IN = 12;
  private static final int OUT = 3;
  private static final int ROWS = 256;

  private final NDManager manager = NDManager.newBaseManager("PyTorch");

  @TempDir Path temp;

  @AfterEach
  void close() {
    manager.close();
  }

  private static SequentialBlock network() {
    return new SequentialBlock()
        .add(Linear.builder().setUnits(24).build())
        .add(Activation::tanh)
        .add(
            new SequentialBlock()
                .add(LayerNorm.builder().build())
                .add(Linear.builder().setUnits(24).optBias(false).build())
                .add(Activation::tanh))
        .add(Linear.builder().setUnits(OUT).build());
  }

  /** A network with fixed random weights. */
  private Model pretrained(SequentialBlock block) {
    Model model = Model.newInstance("net", "PyTorch");
    block.initialize(model.getNDManager(), DataType.FLOAT32, new Shape(1, IN));
    Random random = new Random(7);
    for (Parameter parameter : block.getParameters().values()) {
      float[] values = new float[(int) parameter.getShape().size()];
      for (int i = 0; i < values.length; i++) {
        values[i] = (float) (0.3 * random.nextGaussian());
      }
      parameter.getArray().set(values);
    }
    model.setBlock(block);
    return model;
  }

  private NDArray inputs() {
    Random random = new Random(11);
    float[] x = new float[ROWS * IN];
    for (int i = 0; i < x.length; i++) {
      x[i] = (float) random.nextGaussian();
    }
    return manager.create(x, new Shape(ROWS, IN));
  }

  private NDArray forward(Block block, NDArray x) {
    return block.forward(new ParameterStore(manager, false), new NDList(x), false).head();
  }

  /** What the base says of inputs with two of their directions swapped. */
  private ArrayDataset task(Block base, NDArray x) {
    NDArray swapped = x.get(":, 1:2").concat(x.get(":, 0:1"), 1).concat(x.get(":, 2:"), 1);
    return new ArrayDataset.Builder()
        .setData(x)
        .optLabels(forward(base, swapped))
        .setSampling(32, false)
        .build();
  }

  private static DefaultTrainingConfig settings(float learningRate) {
    return new DefaultTrainingConfig(Loss.l2Loss())
        .optInitializer(new XavierInitializer(), Parameter.Type.WEIGHT)
        .optOptimizer(Optimizer.adam().optLearningRateTracker(Tracker.fixed(learningRate)).build());
  }

  private static Map<String, float[]> snapshot(Block block) {
    Map<String, float[]> values = new LinkedHashMap<>();
    for (Parameter parameter : block.getParameters().values()) {
      if (!parameter.getName().startsWith("lora_")) {
        values.put(parameter.getId(), parameter.getArray().toFloatArray());
      }
    }
    return values;
  }

  private double loss(Block block, NDArray x, NDArray y) {
    return forward(block, x).sub(y).square().mean().getFloat();
  }

  private static double distance(NDArray a, NDArray b) {
    return a.sub(b).abs().max().getFloat();
  }

  @Test
  void djlTrainsItAndTheBaseStays() throws Exception {
    SequentialBlock net = network();
    try (Model model = pretrained(net)) {
      NDArray x = inputs();
      NDArray before = forward(net, x);
      ArrayDataset task = task(net, x);
      NDArray y = task.getByRange(manager, 0, ROWS).getLabels().head();
      Map<String, float[]> base = snapshot(net);

      LoraConfig config =
          LoraConfig.builder().r(4).loraAlpha(8).targetModules(ModuleSelector.allLinear()).build();
      assertEquals(
          List.of("01Linear", "03SequentialBlock.02Linear", "04Linear"),
          LoraBlocks.add(net, config));
      assertEquals(0, distance(before, forward(net, x)), "B is zero");
      double lossBefore = loss(net, x, y);
      try (Trainer trainer = model.newTrainer(settings(1e-2f))) {
        trainer.initialize(new Shape(1, IN));
        assertEquals(0, distance(before, forward(net, x)), "B is still zero");
        EasyTrain.fit(trainer, 15, task, null);
      }
      double lossAfter = loss(net, x, y);
      System.out.printf(Locale.ROOT, "loss %.4f, after 15 epochs %.4f%n", lossBefore, lossAfter);
      assertTrue(lossAfter < lossBefore / 5, lossBefore + " to " + lossAfter);

      Map<String, float[]> after = snapshot(net);
      assertEquals(base.keySet(), after.keySet());
      base.forEach((id, values) -> assertArrayEquals(values, after.get(id)));

      model.save(temp, "tuned");
      NDArray tuned = forward(net, x);
      assertEquals(3, LoraBlocks.merge(net));
      assertTrue(distance(tuned, forward(net, x)) < 1e-5);
      assertInstanceOf(Linear.class, net.getChildren().get(0).getValue());
      assertTrue(net.getParameters().values().stream().noneMatch(Parameter::requiresGradient));
      assertArrayEquals(new Shape[] {new Shape(5, OUT)}, net.getOutputShapes(shapes(5)));

      // a merged network is a plain one again: LoRA can be added once more
      assertEquals(3, LoraBlocks.add(net, config).size());
      assertTrue(distance(tuned, forward(net, x)) < 1e-5);

      SequentialBlock copy = network();
      LoraBlocks.add(copy, config);
      try (Model loaded = Model.newInstance("net", "PyTorch")) {
        loaded.setBlock(copy);
        loaded.load(temp, "tuned");
        assertEquals(0, distance(tuned, forward(copy, x)));
        try (Trainer trainer = loaded.newTrainer(settings(3e-4f))) {
          trainer.initialize(new Shape(1, IN));
          EasyTrain.fit(trainer, 5, task, null);
        }
        assertTrue(loss(copy, x, y) < lossAfter, "trains on");
      }
    }
  }

  private static Shape[] shapes(int rows) {
    return new Shape[] {new Shape(rows, IN)};
  }

  /** The gradient of B at its start is scaling · dyᵀ (x Aᵀ), by hand. */
  @Test
  void gradientsAreLowRanks() {
    SequentialBlock net = new SequentialBlock().add(Linear.builder().setUnits(OUT).build());
    try (Model model = pretrained(net)) {
      LoraConfig config = LoraConfig.builder().r(2).loraAlpha(6).targetModules("01Linear").build();
      LoraBlocks.add(net, config);
      LoraLinear lora = (LoraLinear) net.getChildren().get(0).getValue();
      NDArray a = lora.getDirectParameters().get("lora_A").getArray();
      NDArray b = lora.getDirectParameters().get("lora_B").getArray();
      NDArray x = inputs();
      try (Trainer trainer =
          model.newTrainer(settings(1e-3f).addTrainingListeners(new TrainingListener[0]))) {
        trainer.initialize(new Shape(1, IN));
        try (var collector = trainer.newGradientCollector()) {
          collector.backward(trainer.forward(new NDList(x)).head().sum());
        }
        NDArray expected =
            manager.ones(new Shape(ROWS, OUT)).transpose().matMul(x.matMul(a.transpose())).mul(3);
        assertTrue(distance(expected, b.getGradient()) < 1e-3);
        assertEquals(0, a.getGradient().abs().sum().getFloat(), "B is zero");
      }
    }
  }

  @Test
  void namesRanksAndDropoutCount() throws Exception {
    SequentialBlock net = network();
    LoraConfig config =
        LoraConfig.builder()
            .r(2)
            .loraDropout(0.5)
            .targetModules("02Linear", "04Linear")
            .rankPattern(Map.of("02Linear", 5))
            .modulesToSave(List.of("01LayerNorm"))
            .bias(LoraConfig.Bias.LORA_ONLY)
            .init(LoraInit.RANDOM)
            .build();
    assertEquals(List.of("03SequentialBlock.02Linear", "04Linear"), LoraBlocks.add(net, config));
    // not initialized before: the trainer does it
    try (Model model = Model.newInstance("net", "PyTorch")) {
      model.setBlock(net);
      try (Trainer trainer = model.newTrainer(settings(3e-4f))) {
        trainer.initialize(new Shape(1, IN));
        NDArray x = inputs();
        NDArray first = trainer.forward(new NDList(x)).head();
        NDArray second = trainer.forward(new NDList(x)).head();
        assertTrue(distance(first, second) > 0, "dropout in training");
        assertEquals(
            0,
            distance(
                trainer.evaluate(new NDList(x)).head(), trainer.evaluate(new NDList(x)).head()));
      }
      Map<String, Shape> trained = new LinkedHashMap<>();
      net.getParameters()
          .forEach(
              pair -> {
                if (pair.getValue().requiresGradient()) {
                  trained.put(pair.getKey(), pair.getValue().getShape());
                }
              });
      assertEquals(
          Map.of(
              "03SequentialBlock_01LayerNorm_gamma", new Shape(24),
              "03SequentialBlock_01LayerNorm_beta", new Shape(24),
              "03SequentialBlock_02LoraLinear_lora_A", new Shape(5, 24),
              "03SequentialBlock_02LoraLinear_lora_B", new Shape(24, 5),
              "04LoraLinear_lora_A", new Shape(2, 24),
              "04LoraLinear_lora_B", new Shape(OUT, 2),
              "04LoraLinear_01Linear_bias", new Shape(OUT)),
          trained);
    }
  }

  @Test
  void refusesWhatItCannotDo() {
    SequentialBlock net = network();
    refuse(net, LoraConfig.builder().build(), "target_modules is missing");
    refuse(net, LoraConfig.builder().targetModules("query").build(), "query", "04Linear");
    refuse(net, builder().useDora(true).build(), "use_dora");
    refuse(net, builder().loraBias(true).build(), "lora_bias");
    refuse(net, builder().init(LoraInit.PISSA).build(), "PISSA");
    refuse(net, builder().init(LoraInit.OLORA).build(), "OLORA");
    assertThrows(
        IllegalArgumentException.class,
        () -> new LoraLinear(Linear.builder().setUnits(1).build(), 1, 1, 0, LoraInit.PISSA));
    net.add(
        new ParallelBlock(list -> list.get(0))
            .add(new SequentialBlock().add(Linear.builder().setUnits(2).build())));
    refuse(net, builder().build(), "05ParallelBlock.01SequentialBlock.01Linear", "exclude it");
    assertTrue(
        net.getParameters().values().stream().allMatch(Parameter::requiresGradient),
        "nothing was frozen");
    LoraConfig rest = builder().excludeModules(ModuleSelector.regex("05ParallelBlock.*")).build();
    assertEquals(3, LoraBlocks.add(net, rest).size());
    refuse(net, rest, "01LoraLinear", "has LoRA already");
    assertFalse(net.isInitialized());
  }

  private static LoraConfig.Builder builder() {
    return LoraConfig.builder().targetModules(ModuleSelector.allLinear());
  }

  private static void refuse(SequentialBlock net, LoraConfig config, String... parts) {
    String message =
        assertThrows(IllegalArgumentException.class, () -> LoraBlocks.add(net, config))
            .getMessage();
    for (String part : parts) {
      assertTrue(message.contains(part), message);
    }
  }
}
