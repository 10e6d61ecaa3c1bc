package io.peft4j.cli;

import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.node.ObjectNode;
import io.peft4j.generate.GenerationConfig;
import io.peft4j.io.JsonFiles;
import java.io.IOException;
import java.nio.file.Path;
import java.util.List;
import picocli.CommandLine.Option;

/** How to choose tokens; the names are those of transformers' {@code GenerationConfig}. */
@Heading("Generation")
final class GenerationOptions {

  private static final ObjectMapper JSON = JsonFiles.MAPPER;

  @Option(
      names = {"--max-new-tokens", "--max_new_tokens"},
      description = "Most tokens to add. Default: the model's own setting, or 20.")
  private Integer maxNewTokens;

  @Option(
      names = {"--min-new-tokens", "--min_new_tokens"},
      description = "Tokens before which no end token is taken.")
  private Integer minNewTokens;

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
      description =
          "Draw from the k likeliest tokens; 0 for all. Default: the model's own setting, or 50.")
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

  @Option(
      names = {"--num-return-sequences", "--num_return_sequences"},
      description = "Sequences drawn for each prompt. Default: the model's own setting, or 1.")
  private Integer numReturnSequences;

  @Option(
      names = "--generation",
      paramLabel = "KEY=VALUE",
      description =
          "Any other key of generation_config.json, its value as in JSON; may be given several"
              + " times.")
  private List<String> generation = List.of();

  @Option(
      names = "--seed",
      defaultValue = "42",
      description = "Of what is drawn. Default: ${DEFAULT-VALUE}.")
  private long seed;

  /** {@return what the model's folder recommends, with the options over it} */
  GenerationConfig config(Path folder) throws IOException {
    boolean limited = temperature != null || topK != null || topP != null || minP != null;
    if (greedy && (doSample || limited)) {
      throw new IllegalArgumentException(
          "--greedy draws nothing: it cannot be given with --do-sample, --temperature, --top-k,"
              + " --top-p or --min-p");
    }
    ObjectNode over = others();
    put(over, "max_new_tokens", maxNewTokens);
    put(over, "min_new_tokens", minNewTokens);
    put(over, "temperature", temperature);
    put(over, "top_k", topK);
    put(over, "top_p", topP);
    put(over, "min_p", minP);
    put(over, "repetition_penalty", repetitionPenalty);
    put(over, "num_return_sequences", numReturnSequences);
    put(over, "stop_strings", stop.isEmpty() ? null : stop);
    put(over, "do_sample", greedy ? Boolean.FALSE : doSample || limited ? true : null);
    return GenerationConfig.of(folder, over).withSeed(seed);
  }

  private static void put(ObjectNode over, String key, Object value) {
    if (value != null) {
      over.set(key, JSON.valueToTree(value));
    }
  }

  private ObjectNode others() {
    ObjectNode over = JSON.createObjectNode();
    for (String pair : generation) {
      int at = pair.indexOf('=');
      if (at < 1) {
        throw new IllegalArgumentException(
            "--generation: expected KEY=VALUE, found '" + pair + "'");
      }
      String value = pair.substring(at + 1);
      try {
        over.set(pair.substring(0, at), JSON.readTree(value));
      } catch (JsonProcessingException e) {
        over.put(pair.substring(0, at), value); // a text without quotes
      }
    }
    return over;
  }
}
