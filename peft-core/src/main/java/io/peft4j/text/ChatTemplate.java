package io.peft4j.text;

import com.fasterxml.jackson.databind.JsonNode;
import io.peft4j.io.GitLfs;
import io.peft4j.io.JsonFiles;
import io.peft4j.text.jinja.Template;
import io.peft4j.text.jinja.TemplateException;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;

/**
 * A tokenizer's own way to write a conversation as text: the Jinja template of {@code
 * chat_template.jinja} or of {@code chat_template} in {@code tokenizer_config.json}, rendered as
 * {@code apply_chat_template} of transformers does.
 */
public final class ChatTemplate {

  private static final String FILE = "chat_template.jinja";

  private final String source;
  private final Template template;
  private final Map<String, String> specialTokens;

  private ChatTemplate(String source, Template template, Map<String, String> specialTokens) {
    this.source = source;
    this.template = template;
    this.specialTokens = specialTokens;
  }

  /**
   * {@return the template of a tokenizer's folder, if it has one}
   *
   * @throws IOException if a file cannot be read
   * @throws IllegalArgumentException if it is broken; the message names file and line
   */
  public static Optional<ChatTemplate> find(Path folder) throws IOException {
    return find(folder, TokenizerConfig.read(folder).specialTokens());
  }

  /**
   * @param specialTokens the tokenizer's, by what they are for
   */
  static Optional<ChatTemplate> find(Path folder, Map<String, String> specialTokens)
      throws IOException {
    Path file = folder.resolve(FILE);
    if (Files.exists(file)) {
      GitLfs.refusePointer(file);
      return Optional.of(compile(file.toString(), Files.readString(file), specialTokens));
    }
    Path config = folder.resolve(TokenizerConfig.NAME);
    if (!Files.exists(config)) {
      return Optional.empty();
    }
    JsonNode node = JsonFiles.read(config).path("chat_template");
    if (node.isMissingNode() || node.isNull()) {
      return Optional.empty();
    }
    String named = config + ": chat_template";
    if (node.isArray()) {
      for (JsonNode entry : node) {
        if (entry.path("name").asText().equals("default")) {
          node = entry.path("template");
        }
      }
    }
    if (!node.isTextual()) {
      throw new IllegalArgumentException(
          named + ": expected a string, or a list with one of the name default, found " + node);
    }
    return Optional.of(compile(named, node.textValue(), specialTokens));
  }

  private static ChatTemplate compile(
      String named, String text, Map<String, String> specialTokens) {
    try {
      return new ChatTemplate(named, Template.compile(text), specialTokens);
    } catch (TemplateException e) {
      throw new IllegalArgumentException(named + ": broken chat template: " + e.getMessage(), e);
    }
  }

  /**
   * Writes a conversation.
   *
   * @param messages each with {@code role} and mostly {@code content}
   * @param addGenerationPrompt whether the beginning of an answer follows
   * @param variables more for the template, such as {@code tools} or {@code enable_thinking}
   * @return the text, and where the template's {@code generation} blocks are in it
   * @throws IllegalArgumentException if the template does not accept the conversation
   */
  public Template.Rendered render(
      List<Map<String, Object>> messages,
      boolean addGenerationPrompt,
      Map<String, Object> variables) {
    Map<String, Object> all = new HashMap<>(specialTokens);
    all.put("tools", null);
    all.put("documents", null);
    all.putAll(variables);
    all.put("messages", messages);
    all.put("add_generation_prompt", addGenerationPrompt);
    try {
      return template.render(all);
    } catch (TemplateException e) {
      throw new IllegalArgumentException(source + ": " + e.getMessage(), e);
    }
  }

  /** {@return the text of a conversation to be answered} */
  public String prompt(List<Map<String, Object>> messages) {
    return render(messages, true, Map.of()).text();
  }
}
