package io.peft4j.examples;

import static org.junit.jupiter.api.Assertions.assertEquals;

import io.peft4j.data.CausalDataset;
import io.peft4j.model.CausalLm;
import io.peft4j.text.CausalTokenizer;
import io.peft4j.train.CausalSet;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Optional;
import org.junit.jupiter.api.Assumptions;

/**
 * Language models that were really trained. The base of {@link CodeLm} is made when first wanted,
 * in some six minutes, unless -Dpeft4j.codelm or PEFT4J_CODELM names its folder; stories260k is in
 * the folder that -Dpeft4j.shared or PEFT4J_SHARED names.
 */
final class TrainedModels {

  private static final Path MADE = Path.of("target", "code-lm");

  private TrainedModels() {}

  private static Optional<String> setting(String property, String variable) {
    return Optional.ofNullable(System.getProperty(property))
        .or(() -> Optional.ofNullable(System.getenv(variable)));
  }

  static Path codeLm() {
    Path folder =
        setting("peft4j.codelm", "PEFT4J_CODELM").map(Path::of).orElse(MADE.resolve("base"));
    if (!Files.exists(folder.resolve("config.json"))) {
      String[] arguments = {"--output", MADE.toString(), "--tune-steps", "50"};
      assertEquals(0, CodeLm.commandLine().execute(arguments));
    }
    return folder;
  }

  static Path shared(String name) {
    Path folder = Path.of(setting("peft4j.shared", "PEFT4J_SHARED").orElse("../../shared"));
    if (!Files.exists(folder.resolve(name))) {
      System.out.println("skipped: no " + name + " in " + folder + ", see -Dpeft4j.shared");
    }
    Assumptions.assumeTrue(Files.exists(folder.resolve(name)));
    return folder.resolve(name);
  }

  /** A text, as a model counts it. */
  @FunctionalInterface
  interface Text {
    CausalSet of(CausalLm lm) throws IOException;
  }

  static Text text(Path folder, CausalDataset data) {
    return lm -> {
      try (CausalTokenizer tokenizer = CausalTokenizer.of(folder, lm.model())) {
        return CausalSet.of(data, tokenizer, lm.model(), 256);
      }
    };
  }
}
