package io.peft4j.examples.cli;

import io.peft4j.generate.GenerationConfig;
import java.io.IOException;
import java.nio.file.Path;
import java.util.List;
import picocli.CommandLine.Option;

/** How to choose tokens; the names are those of transformers' {@code GenerationConfig}. */
final class GenerationOptions {

  @Option(
      names = {"--max-new-tokens", "--max_new_tokens"},
      description = "Most tokens to add. Default: the model's own setting, or 128.")
  private Integer maxNewTokens;

  @Option(
      names = "--greedy",
      description = "Take the likeliest token, whatever the model's own settings say.")
  private boolean greedy;

  @Option(
      names = {"--do-sample", "--do_sample"},
      description = "Draw tokens; implied by the limits on what is drawn from.")
  private boolean doSample;

  @Option(names = "--temperature", description = "Divides the logits.")
  private Double temperature;

  @Option(
      names = {"--top-k", "--top_k"},
      description = "Draw from the k likeliest tokens; 0 for all.")
  private Integer topK;

  @Option(
      names = {"--top-p", "--top_p"},
      description = "Draw from the likeliest tokens that have this probability together.")
  private Double topP;

  @Option(
      names = {"--min-p", "--min_p"},
      description = "Draw from tokens with this share of the likeliest one's probability.")
  private Double minP;

  @Option(
      names = {"--repetition-penalty", "--repetition_penalty"},
      description = "Above 1 makes tokens that occurred less likely.")
  private Double repetitionPenalty;

  @Option(
      names = {"--stop", "--stop-strings", "--stop_strings"},
      description = "A text that ends the output; may be given several times.")
  private List<String> stop = List.of();

  @Option(names = "--seed", defaultValue = "42", description = "Default: ${DEFAULT-VALUE}.")
  private long seed;

  /** {@return what the model's folder recommends, with the options over it} */
  GenerationConfig config(Path folder) throws IOException {
    GenerationConfig config =
        GenerationConfig.of(folder).withSeed(seed).withStopStrings(stop.toArray(String[]::new));
    if (maxNewTokens != null) {
      config = config.withMaxNewTokens(maxNewTokens);
    }
    if (repetitionPenalty != null) {
      config = config.withRepetitionPenalty(repetitionPenalty);
    }
    boolean limited = temperature != null || topK != null || topP != null || minP != null;
    if (greedy && (doSample || limited)) {
      throw new IllegalArgumentException(
          "--greedy draws nothing: it cannot be given with --do-sample, --temperature, --top-k,"
              + " --top-p or --min-p");
    }
    if (greedy) {
      return config.withoutSampling();
    }
    if (doSample || limited) {
      return config.sampling(
          temperature == null ? config.temperature() : temperature,
          topK == null ? config.topK() : topK,
          topP == null ? config.topP() : topP,
          minP == null ? config.minP() : minP);
    }
    return config;
  }
}
