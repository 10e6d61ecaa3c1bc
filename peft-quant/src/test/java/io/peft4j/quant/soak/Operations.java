package io.peft4j.quant.soak;

import io.peft4j.adapter.AdaptedModel;
import io.peft4j.adapter.AdapterFiles;
import io.peft4j.model.CausalLm;
import io.peft4j.model.Model;
import io.peft4j.model.Uses;
import io.peft4j.model.load.LoadOptions;
import io.peft4j.quant.QuantizationConfig;
import io.peft4j.quant.checkpoint.CheckpointQuantizer;
import io.peft4j.quant.projection.QuantizedFormat;
import io.peft4j.text.TextTokenizer;
import io.peft4j.text.Tokens;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.channels.FileChannel;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.Random;
import java.util.concurrent.atomic.AtomicBoolean;
import java.util.concurrent.atomic.AtomicReference;
import java.util.concurrent.locks.LockSupport;
import java.util.concurrent.locks.ReentrantLock;

/**
 * What the threads of a soak do, each operation with the answer that is right computed before.
 * Those that change a shared model are refused where another thread runs it; that is counted, and
 * anything else that is thrown is a failure.
 */
final class Operations implements AutoCloseable {

  private static final QuantizationConfig NF4 = QuantizationConfig.nf4().withDoubleQuant(true);
  private static final List<String> TEXTS =
      List.of(
          "a film",
          "the cat sat on a mat , and why not ?",
          "",
          "Unknown wörds \u0001 \ud83d\ude00");

  private final Path work;
  private final Path golden;
  private final DiskFaults faults;
  private final ReentrantLock faultyDisk = new ReentrantLock();
  private final Counts counts = new Counts();
  private final List<SharedModel> shared = new ArrayList<>();
  private final List<SoakTraining> trainings = new ArrayList<>();
  private final List<String> ofTrained = new ArrayList<>();
  private final Path older;
  private final Path quantized;
  private final Path faulted;
  private final TextTokenizer tokenizer;
  private final List<String> tokens;

  /** One of the things to do. */
  @FunctionalInterface
  private interface Operation {
    void run(Random random, Path own) throws Exception;
  }

  /** How often an operation is drawn, for every hundred. */
  private record Draw(String name, int weight, Operation operation) {}

  private final List<Draw> draws =
      List.of(
          new Draw("predict and score", 34, (random, own) -> any(random).checkAnswer(one(random))),
          new Draw("generate", 10, (random, own) -> anyCausal(random).checkText(one(random))),
          new Draw("mix adapters", 4, (random, own) -> mix()),
          new Draw("switch adapters", 10, (random, own) -> switchAdapters(random)),
          new Draw("add and delete adapters", 4, (random, own) -> addAndDelete(random)),
          new Draw("merge and unmerge", 8, (random, own) -> merge(random)),
          new Draw("save and load adapters", 5, this::adapters),
          new Draw("load models", 8, (random, own) -> load(random)),
          new Draw("load broken models", 5, this::brokenModel),
          new Draw("load broken adapters", 4, this::brokenAdapter),
          new Draw("close during use", 3, (random, own) -> closeDuringUse(random)),
          new Draw("change files in place", 2, this::changedInPlace),
          new Draw("tokenize", 3, (random, own) -> tokenize()),
          new Draw("quantize", 1, (random, own) -> quantize(own)),
          new Draw("train", 2, (random, own) -> train(random, own)),
          new Draw("train on a faulty disk", 1, (random, own) -> trainOnFaultyDisk(random)));

  Operations(Path work, Path faulty, Path golden, DiskFaults faults) throws IOException {
    this.work = work;
    this.golden = golden;
    this.faults = faults;
    Path bert = golden.resolve("encoders/bert");
    Path llama = golden.resolve("causal/llama");
    LoadOptions packed = LoadOptions.DEFAULT.withFormat(QuantizedFormat.of(NF4));
    shared.add(SharedModel.classifier("BERT", bert, LoadOptions.DEFAULT));
    shared.add(SharedModel.causal("Llama", llama, LoadOptions.DEFAULT));
    shared.add(SharedModel.causal("NF4 Llama", llama, packed));
    for (SharedModel kind : shared) {
      trainings.add(new SoakTraining(kind, 7, work.resolve("expected " + kind.name)));
    }
    for (int kind = 0; kind < shared.size(); kind++) {
      SharedModel like = shared.get(kind);
      try (Loaded loaded = new Loaded(like.folder, like.options, like.lm != null);
          AdaptedModel adapted = new AdaptedModel(loaded.model)) {
        adapted.load("trained", trainings.get(kind).expected());
        ofTrained.add(loaded.answer(0));
      }
    }
    older = new SoakTraining(shared.get(0), 8, work.resolve("older")).expected();
    quantized = work.resolve("expected quantized");
    new CheckpointQuantizer(NF4).quantize(llama, quantized);
    tokenizer = TextTokenizer.load(bert, 32, 120);
    tokens = tokens(tokenizer);
    faulted = faulty.resolve("output");
  }

  Counts counts() {
    return counts;
  }

  Model anyModel() {
    return shared.get(0).model;
  }

  /** Leaves nothing in the shared models; no operation is under way. */
  void rest() {
    shared.forEach(SharedModel::rest);
  }

  void runOne(Random random, Path own) throws Exception {
    int at = random.nextInt(draws.stream().mapToInt(Draw::weight).sum());
    for (Draw draw : draws) {
      at -= draw.weight;
      if (at < 0) {
        run(draw, random, own);
        return;
      }
    }
  }

  private void run(Draw draw, Random random, Path own) throws Exception {
    try {
      draw.operation.run(random, own);
      counts.add("done: " + draw.name);
    } catch (IllegalStateException e) {
      if (!refusal(String.valueOf(e.getMessage()))) {
        throw e;
      }
      counts.add("refused: " + draw.name);
    }
  }

  private static boolean refusal(String message) {
    return message.contains("another thread is running")
        || message.contains("is about to")
        || message.startsWith("unmerge before")
        || message.startsWith("the batch was laid out for other adapters")
        || message.equals("already merged")
        || message.equals("nothing is merged");
  }

  private static int one(Random random) {
    return random.nextInt(SharedModel.CASES);
  }

  private SharedModel any(Random random) {
    counts.add("answers compared");
    return shared.get(random.nextInt(shared.size()));
  }

  private SharedModel anyCausal(Random random) {
    counts.add("answers compared");
    return shared.get(1 + random.nextInt(shared.size() - 1));
  }

  private void mix() {
    shared.get(0).checkMixed();
    counts.add("answers compared");
  }

  private void switchAdapters(Random random) {
    AdaptedModel adapted = shared.get(random.nextInt(shared.size())).adapted;
    int which = random.nextInt(SharedModel.NAMES.size() + 1);
    if (which == SharedModel.NAMES.size()) {
      adapted.activate();
    } else {
      adapted.activate(SharedModel.NAMES.get(which));
    }
  }

  /** Adds an adapter from a file to a model that others use, and deletes it. */
  private void addAndDelete(Random random) throws IOException {
    int kind = random.nextInt(shared.size());
    SharedModel model = shared.get(kind);
    String name = Thread.currentThread().getName();
    try (Uses.Use use = model.model.uses().change("try an adapter")) {
      model.adapted.load(name, trainings.get(kind).expected());
      String found = SharedModel.answer(model.model, model.lm, 0);
      model.adapted.delete(name);
      same(ofTrained.get(kind), found, model.name + " with an adapter loaded");
    }
  }

  private void merge(Random random) {
    AdaptedModel adapted = shared.get(random.nextInt(shared.size())).adapted;
    if (random.nextBoolean()) {
      adapted.merge("a");
    } else {
      adapted.unmerge();
    }
  }

  /** Saves an adapter of a shared model, loads it into a model of its own, twice the same. */
  private void adapters(Random random, Path own) throws IOException {
    SharedModel from = shared.get(random.nextInt(shared.size()));
    Path folder = own.resolve("adapter");
    Folders.delete(folder);
    from.adapted.save("b", folder, Map.of());
    try (Loaded loaded = new Loaded(from.folder, from.options, from.lm != null);
        AdaptedModel adapted = new AdaptedModel(loaded.model)) {
      adapted.load("again", folder);
      Path second = own.resolve("adapter again");
      adapted.save("again", second, Map.of());
      if (!Folders.same(second, folder, List.of(AdapterFiles.WEIGHTS))) {
        throw new AssertionError(second + " differs from " + folder);
      }
      counts.add("answers compared");
    }
  }

  /** A model that only one thread knows. */
  private static final class Loaded implements AutoCloseable {
    final CausalLm lm;
    final Model model;

    Loaded(Path folder, LoadOptions options, boolean causal) throws IOException {
      lm = causal ? CausalLm.load(folder, options) : null;
      model = causal ? lm.model() : Model.load(folder, options);
    }

    String answer(int i) {
      return SharedModel.answer(model, lm, i);
    }

    @Override
    public void close() {
      model.close();
    }
  }

  private void load(Random random) throws IOException {
    SharedModel like = shared.get(random.nextInt(shared.size()));
    LoadOptions options = like.options.withStreaming(random.nextInt(3) == 0);
    try (Loaded loaded = new Loaded(like.folder, options, like.lm != null)) {
      int i = one(random);
      same(like.ofBase.get(i), loaded.answer(i), like.name + " loaded");
    }
  }

  private void same(String expected, String found, String what) {
    counts.add("answers compared");
    if (!expected.equals(found)) {
      throw new AssertionError(what + ": expected " + expected + ", found " + found);
    }
  }

  private void brokenModel(Random random, Path own) throws IOException {
    SharedModel like = shared.get(random.nextInt(shared.size()));
    Path folder = own.resolve("broken");
    Folders.copy(like.folder, folder);
    Files.deleteIfExists(folder.resolve("golden.json"));
    String how = Folders.breakOne(folder, random);
    broken(
        () -> {
          try (Loaded loaded = new Loaded(folder, like.options, like.lm != null)) {
            loaded.answer(one(random));
          }
        },
        like.name + ", " + how);
    if (like.lm == null) {
      broken(() -> TextTokenizer.load(folder, 32, 120).close(), "tokenizer, " + how);
    }
  }

  private void brokenAdapter(Random random, Path own) throws IOException {
    int kind = random.nextInt(shared.size());
    SharedModel like = shared.get(kind);
    Path folder = own.resolve("broken");
    Folders.delete(folder);
    Files.createDirectories(folder);
    for (String name : SoakTraining.RESULT) {
      Files.copy(trainings.get(kind).expected().resolve(name), folder.resolve(name));
    }
    String how = Folders.breakOne(folder, random);
    broken(
        () -> {
          try (Loaded loaded = new Loaded(like.folder, like.options, like.lm != null);
              AdaptedModel adapted = new AdaptedModel(loaded.model)) {
            adapted.load("broken", folder);
            loaded.answer(one(random));
          }
        },
        like.name + "'s adapter, " + how);
  }

  /** Something that works on files. */
  @FunctionalInterface
  private interface OnFiles {
    void run() throws IOException;
  }

  /** What is broken is told from what is whole, or does no harm. */
  private void broken(OnFiles use, String what) {
    try {
      use.run();
      counts.add("fault: file broken where nothing depends on it");
    } catch (IOException | IllegalArgumentException e) {
      counts.add("fault: file broken and refused");
    } catch (RuntimeException e) {
      throw new AssertionError(what + ": no way to say that a file is broken", e);
    }
  }

  private void closeDuringUse(Random random) throws Exception {
    SharedModel like = shared.get(random.nextInt(shared.size()));
    Loaded loaded = new Loaded(like.folder, like.options, like.lm != null);
    AtomicBoolean closed = new AtomicBoolean();
    AtomicReference<Throwable> failed = new AtomicReference<>();
    List<Thread> users = new ArrayList<>();
    for (int t = 0; t < 2; t++) {
      int i = one(random);
      Thread user =
          new Thread(
              () -> {
                try {
                  while (!closed.get()) {
                    same(like.ofBase.get(i), loaded.answer(i), like.name + " being closed");
                    LockSupport.parkNanos(100_000); // or no moment would be left to close it
                  }
                } catch (IllegalStateException e) {
                  if (!e.getMessage().equals("the model is closed")) {
                    failed.set(e);
                  }
                } catch (Throwable e) {
                  failed.set(e);
                }
              });
      users.add(user);
      user.start();
    }
    Thread.sleep(random.nextInt(20));
    while (!closed.get()) {
      try {
        loaded.close();
        closed.set(true);
      } catch (IllegalStateException e) {
        counts.add("refused: close");
        LockSupport.parkNanos(10_000);
      }
    }
    for (Thread user : users) {
      user.join();
    }
    if (failed.get() != null) {
      throw new AssertionError(like.name + " closed during use", failed.get());
    }
  }

  private void changedInPlace(Random random, Path own) throws IOException {
    SharedModel like = shared.get(random.nextInt(shared.size()));
    Path folder = own.resolve("changed");
    Folders.copy(like.folder, folder);
    try (Loaded loaded = new Loaded(folder, like.options, like.lm != null)) {
      same(like.ofBase.get(0), loaded.answer(0), like.name + " copied");
      try (FileChannel channel =
          FileChannel.open(folder.resolve("model.safetensors"), StandardOpenOption.WRITE)) {
        if (random.nextBoolean()) {
          channel.truncate(channel.size() / 2);
        } else {
          channel.write(ByteBuffer.wrap(new byte[1000]), channel.size() / 2);
        }
      }
      try {
        loaded.answer(0);
      } catch (IllegalStateException e) {
        if (!e.getMessage().contains("model.safetensors")) {
          throw e;
        }
        counts.add("fault: model file changed in place and noticed");
        return;
      }
      throw new AssertionError(like.name + ": its file was changed in place, and nobody noticed");
    }
  }

  private static List<String> tokens(TextTokenizer tokenizer) {
    List<String> found = new ArrayList<>();
    for (String text : TEXTS) {
      Tokens encoded = tokenizer.encode(text);
      found.add(Arrays.toString(encoded.ids()));
    }
    return found;
  }

  private void tokenize() throws IOException {
    same(tokens.toString(), tokens(tokenizer).toString(), "shared tokenizer");
    try (TextTokenizer own = TextTokenizer.load(golden.resolve("encoders/bert"), 32, 120)) {
      same(tokens.toString(), tokens(own).toString(), "new tokenizer");
    }
  }

  private void quantize(Path own) throws IOException {
    Path folder = own.resolve("quantized");
    Folders.delete(folder);
    new CheckpointQuantizer(NF4).quantize(golden.resolve("causal/llama"), folder);
    List<String> names =
        Folders.files(quantized).stream().map(file -> file.getFileName().toString()).toList();
    if (!Folders.same(folder, quantized, names)) {
      throw new AssertionError(folder + " differs from " + quantized);
    }
    counts.add("answers compared");
  }

  private void train(Random random, Path own) throws Exception {
    SoakTraining training = trainings.get(random.nextInt(trainings.size()));
    training.interrupted(own.resolve("training"), random, counts);
    counts.add("answers compared");
  }

  private void trainOnFaultyDisk(Random random) throws IOException {
    if (!faultyDisk.tryLock()) {
      throw new IllegalStateException("another thread is running on the faulty disk");
    }
    try {
      trainings.get(0).onFaultyDisk(faulted, older, faults, random, counts);
      counts.add("answers compared");
    } finally {
      faultyDisk.unlock();
    }
  }

  /** {@return a folder for one thread} */
  Path own(int thread) throws IOException {
    return Files.createDirectories(work.resolve("thread " + thread));
  }

  @Override
  public void close() {
    tokenizer.close();
    shared.forEach(SharedModel::close);
  }
}
