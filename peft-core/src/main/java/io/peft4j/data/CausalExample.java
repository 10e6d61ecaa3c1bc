package io.peft4j.data;

import com.fasterxml.jackson.databind.JsonNode;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.Optional;
import java.util.Set;

/** What a causal language model can learn from, not yet tokenized. */
public sealed interface CausalExample {

  /** {@return the physical line, from 1, on which the row starts} */
  int line();

  /**
   * A text all of which is learnt.
   *
   * @param document whether a long one is cut into blocks, all of which are learnt, rather than
   *     shortened
   */
  record Text(String text, boolean document, int line) implements CausalExample {
    public Text {
      Objects.requireNonNull(text, "text");
    }
  }

  /** A text whose second part is learnt. */
  record Completion(String prompt, String completion, int line) implements CausalExample {
    public Completion {
      Objects.requireNonNull(prompt, "prompt");
      Objects.requireNonNull(completion, "completion");
    }
  }

  /**
   * A conversation of which the assistant's turns are learnt.
   *
   * @param messages each with a {@code role} and what else a chat template wants, mostly {@code
   *     content}; JSON as maps, lists, strings, numbers, booleans and nulls
   * @param learnt for each message, whether it is learnt
   * @param variables more of the row that a chat template may use, such as {@code tools}
   */
  record Chat(
      List<Map<String, Object>> messages,
      List<Boolean> learnt,
      Map<String, Object> variables,
      int line)
      implements CausalExample {
    public Chat {
      messages = List.copyOf(messages);
      learnt = List.copyOf(learnt);
      Objects.requireNonNull(variables, "variables");
      if (learnt.size() != messages.size()) {
        throw new IllegalArgumentException(
            "learnt: expected " + messages.size() + " values, found " + learnt.size());
      }
    }

    /** All turns of the assistant are learnt. */
    public Chat(List<Map<String, Object>> messages, Map<String, Object> variables, int line) {
      this(
          messages,
          messages.stream().map(message -> "assistant".equals(message.get("role"))).toList(),
          variables,
          line);
    }

    /**
     * {@return the conversation of a row, as a data file's are read, except that it need not have
     * an answer yet; empty if the row holds none}
     *
     * @throws DataException if it is not what it should be; the message names the key
     */
    public static Optional<Chat> of(JsonNode row) {
      return Optional.ofNullable(CausalJson.conversation(row));
    }

    /** {@return the keys of a row that {@link #of} reads; empty if the row holds none} */
    public static Set<String> keys(JsonNode row) {
      return CausalJson.conversationKeys(row);
    }
  }

  /**
   * A conversation whose second part is learnt, whoever speaks in it.
   *
   * @param prompt messages as those of a {@link Chat}
   * @param completion the messages that are learnt
   */
  record ChatCompletion(
      List<Map<String, Object>> prompt,
      List<Map<String, Object>> completion,
      Map<String, Object> variables,
      int line)
      implements CausalExample {
    public ChatCompletion {
      prompt = List.copyOf(prompt);
      completion = List.copyOf(completion);
      Objects.requireNonNull(variables, "variables");
    }
  }

  /**
   * A question and its answer, before an {@link Instruction}.
   *
   * @param question what was asked
   * @param answer what was answered
   */
  record Exchange(String question, String answer) {}

  /**
   * A task with its answer, which is learnt: a conversation where there is a chat template.
   *
   * @param input what the instruction is about; may be empty
   * @param system what the conversation begins with; may be empty
   * @param history what was said before, which is learnt too
   */
  record Instruction(
      String instruction,
      String input,
      String output,
      String system,
      List<Exchange> history,
      int line)
      implements CausalExample {
    public Instruction {
      Objects.requireNonNull(system, "system");
      history = List.copyOf(history);
      Objects.requireNonNull(instruction, "instruction");
      Objects.requireNonNull(input, "input");
      Objects.requireNonNull(output, "output");
    }

    /** A task by itself. */
    public Instruction(String instruction, String input, String output, int line) {
      this(instruction, input, output, "", List.of(), line);
    }

    /** {@return as a conversation: of one question, if there is no history} */
    public Chat asChat() {
      String question = input.isBlank() ? instruction : instruction + "\n\n" + input;
      List<Map<String, Object>> messages = new ArrayList<>();
      if (!system.isEmpty()) {
        messages.add(Map.of("role", "system", "content", system));
      }
      for (Exchange exchange : history) {
        messages.add(Map.of("role", "user", "content", exchange.question()));
        messages.add(Map.of("role", "assistant", "content", exchange.answer()));
      }
      messages.add(Map.of("role", "user", "content", question));
      messages.add(Map.of("role", "assistant", "content", output));
      return new Chat(messages, Map.of(), line);
    }

    /**
     * {@return with the headings of Stanford Alpaca (Taori et al., 2023), without its preamble}
     *
     * @throws IllegalArgumentException if there is a system or a history, for which it has none
     */
    public Completion asCompletion() {
      if (!system.isEmpty() || !history.isEmpty()) {
        throw new IllegalArgumentException(
            "'system' and 'history' need a tokenizer with a chat template, found none");
      }
      String about = input.isBlank() ? "" : "### Input:\n" + input + "\n\n";
      return new Completion(
          "### Instruction:\n" + instruction + "\n\n" + about + "### Response:\n", output, line);
    }
  }
}
