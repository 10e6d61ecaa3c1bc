package io.peft4j.model;

import io.peft4j.model.decoder.DecoderFamily;
import io.peft4j.model.decoder.HeadTie;
import io.peft4j.model.family.Architecture;
import io.peft4j.model.family.Families;
import io.peft4j.model.load.ModelConfig;
import java.io.IOException;

/** A decoder's head over its vocabulary, which may be its embedding. */
final class LanguageModelKind implements HeadKind {

  private static DecoderFamily family(ModelConfig config) {
    return Families.of(config, DecoderFamily.class);
  }

  @Override
  public void check(ModelConfig config) {
    family(config).architecture(config);
  }

  @Override
  public Plan plan(Source source) throws IOException {
    ModelConfig settled = HeadTie.settled(source.config(), source.checkpoint());
    Architecture architecture = family(settled).architecture(settled);
    return new SettledPlan(
        settled,
        architecture,
        null,
        weights -> {
          Architecture.LanguageModel built = architecture.languageModel(weights);
          return new Parts(built.body(), built.head());
        });
  }
}
