package io.peft4j.text;

import io.peft4j.text.jinja.Template;
import io.peft4j.text.jinja.TemplateException;
import java.io.IOException;
import java.nio.file.Path;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;

/**
 * A tokenizer's own way to write a conversation as text: a Jinja template, or several with names
 * ({@link ChatTemplateFiles} says where they are found), rendered as {@code apply_chat_template} of
 * transformers does. Of several, {@code tool_use} is for conversations with tools, {@code default}
 * for the others.
 */
public final class ChatTemplate {

  private static final String TOOL_USE = "tool_use";

  /** A template and where it was found. */
  private record Named(String source, Template template) {}

  private final Path folder;
  private final Set<String> names;
  private final Map<String, Named> templates;
  private final Map<String, String> specialTokens;

  private ChatTemplate(
      Path folder,
      Set<String> names,
      Map<String, Named> templates,
      Map<String, String> specialTokens) {
    this.folder = folder;
    this.names = names;
    this.templates = templates;
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
    Map<String, ChatTemplateFiles.Source> found = ChatTemplateFiles.read(folder);
    if (found.isEmpty()) {
      return Optional.empty();
    }
    Map<String, Named> templates = new HashMap<>();
    for (String name : List.of(ChatTemplateFiles.DEFAULT, TOOL_USE)) {
      if (found.containsKey(name)) {
        templates.put(name, compile(found.get(name)));
      }
    }
    return Optional.of(new ChatTemplate(folder, found.keySet(), templates, specialTokens));
  }

  private static Named compile(ChatTemplateFiles.Source source) {
    try {
      return new Named(source.where(), Template.compile(source.text()));
    } catch (TemplateException e) {
      throw new IllegalArgumentException(
          source.where() + ": broken chat template: " + e.getMessage(), e);
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
    Named template = templateFor(all.get("tools") != null);
    try {
      return template.template().render(all);
    } catch (TemplateException e) {
      throw new IllegalArgumentException(template.source() + ": " + e.getMessage(), e);
    }
  }

  private Named templateFor(boolean tools) {
    Named plain = templates.get(ChatTemplateFiles.DEFAULT);
    Named chosen = tools ? templates.getOrDefault(TOOL_USE, plain) : plain;
    if (chosen == null) {
      throw new IllegalArgumentException(
          folder + ": expected a chat template of the name default, found " + names);
    }
    return chosen;
  }
}
