package io.peft4j.data;

import java.util.List;
import java.util.Map;
import java.util.Objects;

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
   * @param variables more of the row that a chat template may use, such as {@code tools}
   */
  record Chat(List<Map<String, Object>> messages, Map<String, Object> variables, int line)
      implements CausalExample {
    public Chat {
      messages = List.copyOf(messages);
      Objects.requireNonNull(variables, "variables");
    }
  }

  /**
   * A task with its answer, which is learnt: a conversation where there is a chat template.
   *
   * @param input what the instruction is about; may be empty
   */
  record Instruction(String instruction, String input, String output, int line)
      implements CausalExample {
    public Instruction {
      Objects.requireNonNull(instruction, "instruction");
      Objects.requireNonNull(input, "input");
      Objects.requireNonNull(output, "output");
    }

    /** {@return as a conversation of one question} */
    public Chat asChat() {
      String question = input.isBlank() ? instruction : instruction + "\n\n" + input;
      return new Chat(
          List.of(
              Map.of("role", "user", "content", question),
              Map.of("role", "assistant", "content", output)),
          Map.of(),
          line);
    }

    /** {@return with the headings of Stanford Alpaca (Taori et al., 2023), without its preamble} */
    public Completion asCompletion() {
      String about = input.isBlank() ? "" : "### Input:\n" + input + "\n\n";
      return new Completion(
          "### Instruction:\n" + instruction + "\n\n" + about + "### Response:\n", output, line);
    }
  }
}
