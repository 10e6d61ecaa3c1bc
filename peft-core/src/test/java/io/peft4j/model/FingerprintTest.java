package io.peft4j.model;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertNotEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import ch.qos.logback.classic.Logger;
import ch.qos.logback.classic.spi.ILoggingEvent;
import ch.qos.logback.core.read.ListAppender;
import io.peft4j.Golden;
import io.peft4j.adapter.AdaptedModel;
import io.peft4j.model.load.LoadOptions;
import io.peft4j.model.module.Parameter;
import io.peft4j.safetensors.Checkpoint;
import io.peft4j.safetensors.CheckpointWriter;
import io.peft4j.safetensors.DType;
import io.peft4j.safetensors.SafetensorsWriter;
import io.peft4j.safetensors.TensorSource;
import io.peft4j.torch.Precision;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.security.MessageDigest;
import java.util.ArrayList;
import java.util.Collections;
import java.util.HexFormat;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.slf4j.LoggerFactory;

class FingerprintTest {

  @TempDir Path temp;

  private static TensorSource tensor(String name, float... values) {
    ByteBuffer bytes =
        ByteBuffer.allocate(values.length * Float.BYTES).order(ByteOrder.LITTLE_ENDIAN);
    bytes.asFloatBuffer().put(values);
    return TensorSource.of(name, DType.F32, List.of((long) values.length), bytes);
  }

  private String of(List<TensorSource> tensors, Map<String, String> metadata) throws IOException {
    Path file = temp.resolve("t.safetensors");
    SafetensorsWriter.write(file, tensors, metadata);
    try (Checkpoint checkpoint = Checkpoint.open(file)) {
      return Fingerprint.of(checkpoint);
    }
  }

  @Test
  void isTheDigestOfTheTensorsByName() throws Exception {
    MessageDigest digest = MessageDigest.getInstance("SHA-256");
    digest.update("a F32 [2]\n".getBytes(StandardCharsets.UTF_8));
    digest.update(new byte[] {0, 0, (byte) 0x80, 0x3f, 0, 0, 0, 0x40});
    digest.update("b F32 [1]\n".getBytes(StandardCharsets.UTF_8));
    digest.update(new byte[] {0, 0, 0x40, 0x40});
    String expected = HexFormat.of().formatHex(digest.digest());
    List<TensorSource> tensors = List.of(tensor("a", 1, 2), tensor("b", 3));
    assertEquals(expected, of(tensors, Map.of()));
    assertEquals(expected, of(List.of(tensors.get(1), tensors.get(0)), Map.of("x", "y")));
    assertNotEquals(expected, of(List.of(tensor("a", 1, 2), tensor("b", -3)), Map.of()));
    assertNotEquals(expected, of(List.of(tensor("a", 1, 2), tensor("c", 3)), Map.of()));
    assertNotEquals(expected, of(List.of(tensor("a", 1), tensor("b", 2, 3)), Map.of()));
    assertNotEquals(expected, of(List.of(tensor("a", 1, 2)), Map.of()));
  }

  @Test
  void shardsDoNotCount() throws IOException {
    Path bert = Golden.path("encoders/bert");
    try (Checkpoint one = Checkpoint.open(bert)) {
      List<TensorSource> sources = new ArrayList<>();
      one.names().forEach(name -> sources.add(one.source(name)));
      Collections.reverse(sources);
      CheckpointWriter.write(temp, sources, Map.of("format", "pt"), 20_000);
      try (Checkpoint several = Checkpoint.open(temp)) {
        assertTrue(several.files().size() > 1);
        assertEquals(Fingerprint.of(one), Fingerprint.of(several));
      }
    }
  }

  @Test
  void aModelsParametersHaveOneToo() throws IOException {
    Path bert = Golden.path("encoders/bert");
    try (Model model = Model.load(bert, LoadOptions.DEFAULT);
        Model same = Model.load(bert, LoadOptions.DEFAULT);
        Model narrow = Model.load(bert, LoadOptions.DEFAULT.withPrecision(Precision.BFLOAT16))) {
      String base = Fingerprint.ofParameters(model);
      assertEquals(64, base.length());
      assertEquals(base, Fingerprint.ofParameters(same));
      assertNotEquals(base, Fingerprint.ofParameters(narrow));
      assertEquals(model.fingerprint(), narrow.fingerprint(), "the files' own is the same");
      // an overlay leaves the base alone, a write to the base does not
      Parameter bias = same.modules().parameters().get(2);
      try (var overlay = bias.base().duplicate()) {
        bias.lay(this, overlay.muli(2));
        assertEquals(base, Fingerprint.ofParameters(same));
        bias.lift(this);
      }
      bias.base().addi(1);
      assertNotEquals(base, Fingerprint.ofParameters(same));
      assertEquals(base, Fingerprint.ofParameters(model), "another mapping of the file");
    }
  }

  @Test
  void anAdapterRemembersItsBase() throws IOException {
    Path folder = temp.resolve("adapter");
    Files.createDirectories(folder);
    try (Model model = Model.load(Golden.path("encoders/bert"), LoadOptions.DEFAULT);
        AdaptedModel adapted = new AdaptedModel(model)) {
      adapted.load("a", Golden.path("lora/bert-plain"));
      adapted.save("a", folder, Map.of(AdaptedModel.BASE_SHA256, model.fingerprint()));
      adapted.load("again", folder);
    }
    try (Model other = Model.load(Golden.path("encoders/bert-no-dropout"), LoadOptions.DEFAULT);
        AdaptedModel adapted = new AdaptedModel(other)) {
      String message =
          assertThrows(IllegalArgumentException.class, () -> adapted.load("a", folder))
              .getMessage();
      assertTrue(message.contains("adapter_model.safetensors"), message);
      assertTrue(message.contains(other.fingerprint()), message);
      assertTrue(message.contains(other.checkpoint().path().toString()), message);
      assertEquals(Map.of(), adapted.adapters());
      List<String> said = warnings(() -> adapted.loadOnAnyBase("a", folder));
      assertEquals(List.of(message), said);
    }
  }

  @Test
  void anAdapterRemembersWhatItsBasesWeightsWereKeptAs() throws IOException {
    Path folder = temp.resolve("adapter");
    Files.createDirectories(folder);
    try (Model model = Model.load(Golden.path("encoders/bert"), LoadOptions.DEFAULT);
        AdaptedModel adapted = new AdaptedModel(model)) {
      assertEquals(
          Map.of(AdaptedModel.BASE_SHA256, model.fingerprint(), AdaptedModel.BASE_FORMAT, "dense"),
          adapted.baseMetadata());
      adapted.load("a", Golden.path("lora/bert-plain"));
      adapted.save("a", folder, adapted.baseMetadata());
      assertEquals(List.of(), warnings(() -> adapted.load("again", folder)));
      adapted.save("a", folder, Map.of(AdaptedModel.BASE_FORMAT, "nf4"));
      List<String> said = warnings(() -> adapted.load("other", folder));
      assertEquals(1, said.size(), said.toString());
      assertTrue(said.get(0).contains("kept as nf4, and is used on dense ones"), said.get(0));
    }
  }

  private interface Loading {
    void run() throws IOException;
  }

  private static List<String> warnings(Loading loading) throws IOException {
    Logger logger = (Logger) LoggerFactory.getLogger(AdaptedModel.class);
    ListAppender<ILoggingEvent> seen = new ListAppender<>();
    seen.start();
    logger.addAppender(seen);
    try {
      loading.run();
    } finally {
      logger.detachAppender(seen);
    }
    return seen.list.stream().map(ILoggingEvent::getFormattedMessage).toList();
  }

  /** More than a Java buffer holds; the file has a hole in it, so it takes no disk. */
  @Test
  @Tag("slow")
  void isNotBoundTo2GiB() throws IOException {
    long elements = (1L << 31) + 12_345;
    String header =
        String.format(
            Locale.ROOT,
            "{\"big\":{\"dtype\":\"U8\",\"shape\":[%d],\"data_offsets\":[0,%d]}}",
            elements,
            elements);
    Path file = temp.resolve("big.safetensors");
    try (var out =
        Files.newByteChannel(
            file,
            java.nio.file.StandardOpenOption.CREATE_NEW,
            java.nio.file.StandardOpenOption.WRITE,
            java.nio.file.StandardOpenOption.SPARSE)) {
      ByteBuffer start = ByteBuffer.allocate(8 + header.length()).order(ByteOrder.LITTLE_ENDIAN);
      start.putLong(header.length()).put(header.getBytes(StandardCharsets.UTF_8)).flip();
      out.write(start);
      out.position(8 + header.length() + elements - 1);
      out.write(ByteBuffer.wrap(new byte[] {7}));
    }
    long begin = System.nanoTime();
    try (Checkpoint checkpoint = Checkpoint.open(file)) {
      String found = Fingerprint.of(checkpoint);
      System.out.printf(Locale.ROOT, "2 GiB in %.1f s%n", (System.nanoTime() - begin) / 1e9);
      MessageDigest digest = MessageDigest.getInstance("SHA-256");
      digest.update(("big U8 [" + elements + "]\n").getBytes(StandardCharsets.UTF_8));
      byte[] zeros = new byte[1 << 20];
      for (long left = elements - 1; left > 0; left -= zeros.length) {
        digest.update(zeros, 0, (int) Math.min(left, zeros.length));
      }
      digest.update((byte) 7);
      assertEquals(HexFormat.of().formatHex(digest.digest()), found);
    } catch (java.security.NoSuchAlgorithmException e) {
      throw new AssertionError(e);
    }
  }
}
