package io.peft4j.quant.checkpoint;

import io.peft4j.fuzz.FuzzKind;
import io.peft4j.fuzz.Mutator;
import io.peft4j.model.CausalLm;
import io.peft4j.model.load.LoadOptions;
import io.peft4j.quant.QuantType;
import io.peft4j.quant.QuantizationConfig;
import java.io.IOException;
import java.net.URISyntaxException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Random;

/** Mutated checkpoints in bitsandbytes' form: loads them and runs them. */
public final class QuantizedFuzz implements FuzzKind {

  private final List<Map<String, byte[]>> bases = new ArrayList<>();

  public QuantizedFuzz() throws IOException, URISyntaxException {
    Path dense = Path.of(QuantizedFuzz.class.getResource("/io/peft4j/quant/qlora/base").toURI());
    for (QuantType type : QuantType.values()) {
      for (boolean twice : new boolean[] {false, true}) {
        Path folder = Files.createTempDirectory("fuzz").resolve("packed");
        if (twice && type == QuantType.INT8) {
          continue;
        }
        new CheckpointQuantizer(QuantizationConfig.of(type).withDoubleQuant(twice))
            .quantize(dense, folder);
        use(folder);
        bases.add(Mutator.files(folder));
      }
    }
  }

  @Override
  public Map<String, byte[]> mutant(Random random) throws IOException {
    Mutator mutator = new Mutator(random);
    return mutator.folder(mutator.pick(bases), bases);
  }

  @Override
  public void use(Path folder) throws IOException {
    try (CausalLm lm = CausalLm.load(folder, LoadOptions.DEFAULT)) {
      lm.model().checkFinite();
      lm.logProbs(List.of(lm.sequence(new int[] {2, 25, 3})));
    }
  }
}
