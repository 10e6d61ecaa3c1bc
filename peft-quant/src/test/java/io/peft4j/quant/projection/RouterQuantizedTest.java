package io.peft4j.quant.projection;

import io.peft4j.model.CausalLm;
import io.peft4j.model.load.LoadOptions;
import io.peft4j.quant.FloatType;
import io.peft4j.quant.QuantizationConfig;
import io.peft4j.serve.Served;
import java.io.IOException;
import java.nio.file.Path;
import java.util.Map;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** On a base of 4-bit weights too, sequences that come and go get what they get alone. */
class RouterQuantizedTest {

  private static final QuantizationConfig NF4 =
      QuantizationConfig.nf4().withDoubleQuant(true).withComputeType(FloatType.F32);

  @Test
  void eachSequenceIsAsAlone(@TempDir Path folder) throws IOException {
    LoadOptions packed = LoadOptions.DEFAULT.withFormat(QuantizedFormat.of(NF4));
    Path llama = Path.of("../peft-core/src/test/resources/golden/decoders/llama");
    try (CausalLm lm = CausalLm.load(llama, packed)) {
      Map<String, Path> adapters = Served.saveAll(lm.model(), folder);
      Served.checkAsAlone(lm, adapters, 30, 11, 1, 7, 32);
    }
  }
}
