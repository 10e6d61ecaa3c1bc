package io.peft4j.data;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Optional;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/** Published data sets, where they are at hand: -Dpeft4j.shared or PEFT4J_SHARED. */
class RealFilesTest {

  @ParameterizedTest
  @CsvSource({
    "sst2/dev.tsv, 6735, 2",
    "sst2/test.tsv, 872, 2",
    "reviews/imdb_labelled.txt, 1000, 2",
    "reviews/yelp_labelled.txt, 1000, 2",
    "reviews/amazon_cells_labelled.txt, 1000, 2",
    "trec/train_5500.label, 5452, 50"
  })
  void haveTheirRowsAndClasses(String name, int rows, int classes) throws IOException {
    String shared =
        Optional.ofNullable(System.getProperty("peft4j.shared"))
            .or(() -> Optional.ofNullable(System.getenv("PEFT4J_SHARED")))
            .orElse("../../shared");
    Path file = Path.of(shared, "data").resolve(name);
    if (!Files.exists(file)) {
      System.out.println("skipped: no " + file.toAbsolutePath().normalize());
    }
    assumeTrue(Files.exists(file), "no " + file);
    TextDataset data = TextDataset.read(file, TextFormat.DEFAULT, Task.SINGLE_LABEL);
    assertEquals(rows, data.size());
    assertEquals(rows, data.example(rows - 1).line() - (name.endsWith(".tsv") ? 1 : 0));
    assertEquals(classes, data.labelNames().size());
  }
}
