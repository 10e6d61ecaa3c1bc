package io.peft4j.train;

import io.peft4j.fuzz.FuzzKind;
import io.peft4j.fuzz.Mutator;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import java.util.Random;

/**
 * Mutated checkpoints of a training, mostly with checksums that are right for what they hold:
 * resumes from them for a step.
 */
public final class CheckpointFuzz implements FuzzKind {

  private static final String FOLDER = "checkpoint-2/";

  private final TrainingArguments arguments =
      TinyTraining.arguments().maxSteps(3).saveSteps(2).evalSteps(2).build();
  private final TinyTraining training = TinyTraining.create();
  private final Map<String, byte[]> checkpoint;
  private boolean summed;

  public CheckpointFuzz() throws IOException {
    Path folder = Files.createTempDirectory("fuzz");
    training.trainer(arguments, TinyTraining.SILENT, folder).train(false);
    checkpoint = Mutator.files(folder);
    checkpoint.keySet().removeIf(file -> !file.startsWith(FOLDER));
    use(folder);
  }

  @Override
  public Map<String, byte[]> mutant(Random random) throws IOException {
    summed = random.nextInt(4) > 0;
    return new Mutator(random).folder(checkpoint, List.of(checkpoint));
  }

  @Override
  public void use(Path folder) throws IOException {
    Path checkpoint = folder.resolve(FOLDER);
    if (summed && Files.exists(checkpoint)) {
      CheckpointSums.write(checkpoint);
    }
    try {
      training.trainer(arguments, TinyTraining.SILENT, folder).train(true);
    } finally {
      for (String file : Mutator.files(folder).keySet()) {
        if (!file.startsWith(FOLDER)) {
          Files.delete(folder.resolve(file));
        }
      }
    }
  }
}
