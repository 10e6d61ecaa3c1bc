package io.peft4j.cli;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.node.JsonNodeFactory;
import com.fasterxml.jackson.databind.node.ObjectNode;
import io.peft4j.adapter.AdaptedModel;
import io.peft4j.data.CausalExample;
import io.peft4j.generate.Generated;
import io.peft4j.generate.GenerationConfig;
import io.peft4j.generate.GenerationListener;
import io.peft4j.generate.Generator;
import io.peft4j.io.AtomicFiles;
import io.peft4j.io.JsonFiles;
import io.peft4j.model.CausalLm;
import io.peft4j.text.CausalTokenizer;
import java.io.IOException;
import java.io.PrintStream;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.concurrent.Callable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Option;

/** {@code peft generate}: continues prompts, answers conversations. */
@Command(
    name = "generate",
    description = {
      "Continue prompts, or answer conversations: --prompt, or --input with JSON lines",
      "{\"prompt\": …}, {\"messages\": [{\"role\": …, \"content\": …}], \"tools\": […]} or",
      "{\"input_ids\": […]}. A single prompt's text is printed as it comes."
    },
    mixinStandardHelpOptions = true,
    sortOptions = false)
final class GenerateCommand implements Callable<Integer> {

  private static final ObjectMapper JSON = JsonFiles.MAPPER;

  @Mixin private ModelOptions model;

  @Mixin private AdapterOption adapter;

  @Option(
      names = "--prompt",
      paramLabel = "TEXT",
      description = "What to continue; may be given several times.")
  private List<String> prompts = List.of();

  @Option(
      names = "--chat",
      description = "Each --prompt is a user's message, written by the chat template.")
  private boolean chat;

  @AppliesTo(needs = "--chat")
  @Option(names = "--system", paramLabel = "TEXT", description = "With --chat, a system message.")
  private String system;

  @Option(names = "--input", paramLabel = "FILE", description = "JSON lines, instead of --prompt.")
  private Path input;

  @Option(
      names = "--output",
      paramLabel = "FILE",
      description =
          "Write JSON lines {\"text\", \"tokens\", \"finish\"} there instead of printing, one a"
              + " sequence.")
  private Path output;

  @Option(
      names = {"--batch-size", "--batch_size"},
      defaultValue = "8",
      description = "Prompts that run together. Default: ${DEFAULT-VALUE}.")
  private int batchSize;

  @Mixin private GenerationOptions generation;

  @AppliesTo(needs = "--json", unless = "--output")
  @Option(names = "--stream", description = "With --json, print pieces of text as they come.")
  private boolean stream;

  @AppliesTo(unless = "--output")
  @Option(names = "--json", description = "Print JSON lines.")
  private boolean json;

  @Option(names = "--config", description = "YAML file with options; flags override it.")
  private Path config;

  @Override
  public Integer call() throws IOException {
    if (prompts.isEmpty() == (input == null)) {
      throw new IllegalArgumentException("expected either --prompt or --input");
    }
    if (batchSize < 1) {
      throw new IllegalArgumentException("--batch-size must be positive, found " + batchSize);
    }
    Path folder = model.locate();
    GenerationConfig settings = generation.config(folder);
    try (CausalLm lm = CausalLm.load(folder, model.loadOptions());
        AdaptedModel adapted = adapter.adapt(lm.model());
        CausalTokenizer tokenizer = CausalTokenizer.of(adapter.tokenizer(folder), lm.model())) {
      List<int[]> tokens = tokens(tokenizer, lm, settings);
      Generator generator = new Generator(lm, tokenizer);
      if (output != null) {
        write(tokens, generator, settings);
      } else {
        print(tokens, generator, settings);
      }
    }
    return 0;
  }

  private List<int[]> tokens(CausalTokenizer tokenizer, CausalLm lm, GenerationConfig settings)
      throws IOException {
    if (input != null) {
      return JsonLines.read(
          input, (line, keys) -> checked(read(line, keys, tokenizer, lm), lm, settings));
    }
    List<int[]> all = new ArrayList<>();
    for (String prompt : prompts) {
      all.add(checked(encode(prompt, tokenizer), lm, settings));
    }
    return all;
  }

  private int[] encode(String prompt, CausalTokenizer tokenizer) {
    if (!chat) {
      return tokenizer.encode(prompt);
    }
    List<Map<String, Object>> messages = new ArrayList<>();
    if (system != null) {
      messages.add(Map.of("role", "system", "content", system));
    }
    messages.add(Map.of("role", "user", "content", prompt));
    return tokenizer.encodeChat(messages);
  }

  private int[] read(JsonNode line, JsonLines.Keys keys, CausalTokenizer tokenizer, CausalLm lm) {
    if (line.has("input_ids")) {
      keys.used(Set.of("input_ids"));
      return JsonLines.tokens(line, "input_ids", lm.model().config().vocabularySize());
    }
    Optional<CausalExample.Chat> conversation = CausalExample.Chat.of(line);
    if (conversation.isPresent()) {
      keys.used(CausalExample.Chat.keys(line));
      return tokenizer.encodeChat(conversation.get());
    }
    keys.used(Set.of("prompt"));
    return encode(JsonLines.string(line, "prompt"), tokenizer);
  }

  /** {@return the prompt, if there is one and the model and max_length take it} */
  private static int[] checked(int[] prompt, CausalLm lm, GenerationConfig settings) {
    if (prompt.length == 0) {
      throw new IllegalArgumentException("the prompt is empty");
    }
    if (prompt.length > lm.maxLength()) {
      throw new IllegalArgumentException(
          "the prompt has "
              + prompt.length
              + " tokens; expected at most "
              + lm.maxLength()
              + ", the model's context");
    }
    settings.limit(prompt.length, lm.maxLength());
    return prompt;
  }

  private void write(List<int[]> tokens, Generator generator, GenerationConfig settings)
      throws IOException {
    AtomicFiles.write(
        output,
        temporary -> {
          List<String> lines = new ArrayList<>();
          for (Generated generated :
              generate(tokens, generator, settings, (i, token, text) -> {})) {
            lines.add(JSON.writeValueAsString(answer(generated)));
          }
          Files.write(temporary, lines);
        });
  }

  private void print(List<int[]> tokens, Generator generator, GenerationConfig settings)
      throws IOException {
    PrintStream out = System.out;
    int copies = settings.numReturnSequences();
    boolean one = tokens.size() * copies == 1;
    List<Generated> all = generate(tokens, generator, settings, listener(one, copies, out));
    for (int i = 0; i < all.size(); i++) {
      if (json) {
        ObjectNode answer = JsonNodeFactory.instance.objectNode().put("event", "result");
        answer.put("prompt", i / copies);
        if (copies > 1) {
          answer.put("sequence", i % copies);
        }
        answer.setAll(answer(all.get(i)));
        JsonOutput.println(out, answer);
      } else if (one) {
        out.println();
      } else {
        String prompt = i / copies < prompts.size() ? prompts.get(i / copies) : "";
        out.println("[" + (i + 1) + "] " + prompt + all.get(i).text());
      }
    }
    out.flush();
  }

  private GenerationListener listener(boolean one, int copies, PrintStream out) {
    if (json && stream) {
      return (number, token, text) -> {
        ObjectNode event = JsonNodeFactory.instance.objectNode().put("event", "token");
        event.put("prompt", number / copies);
        if (copies > 1) {
          event.put("sequence", number % copies);
        }
        event.put("token", token).put("text", text);
        try {
          JsonOutput.println(out, event);
        } catch (IOException e) {
          throw new UncheckedIOException(e);
        }
      };
    }
    return (prompt, token, text) -> {
      if (one && !json) {
        out.print(text);
        out.flush();
      }
    };
  }

  /** A batch at a time; a prompt's number, and so its seed, is that in the whole list. */
  private List<Generated> generate(
      List<int[]> tokens,
      Generator generator,
      GenerationConfig settings,
      GenerationListener heard) {
    List<Generated> all = new ArrayList<>();
    int copies = settings.numReturnSequences();
    for (int at = 0; at < tokens.size(); at += batchSize) {
      int first = at;
      List<int[]> batch = tokens.subList(at, Math.min(tokens.size(), at + batchSize));
      all.addAll(
          generator.generate(
              batch,
              settings,
              (i, token, text) -> heard.onToken(first * copies + i, token, text),
              first));
    }
    return all;
  }

  private static ObjectNode answer(Generated generated) {
    return JsonNodeFactory.instance
        .objectNode()
        .put("text", generated.text())
        .put("tokens", generated.tokens().length)
        .put("finish", generated.finish().name().toLowerCase(Locale.ROOT));
  }
}
