package io.peft4j.text;

import io.peft4j.io.AtomicFiles;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;

/**
 * Where a model's tokenizer and its chat template lie: with its adapter, if that has its own, as
 * Trainer, TRL and {@code peft train} save them there; else with the base.
 *
 * @param vocabulary the folder of {@code tokenizer.json}, or of a vocabulary, and of what goes with
 *     it
 * @param template the folder of the chat template; that of the base where nobody has one
 * @param model the base, whose {@code config.json} says what kind of tokenizer it is where the
 *     vocabulary's folder has none
 */
public record TokenizerFolders(Path vocabulary, Path template, Path model) {

  /** What a tokenizer is read from. */
  private static final List<String> VOCABULARIES =
      List.of("tokenizer.json", "vocab.txt", "vocab.json", "merges.txt");

  private static final List<String> FILES =
      List.of(
          "tokenizer.json",
          "tokenizer_config.json",
          "special_tokens_map.json",
          "added_tokens.json",
          "vocab.txt",
          "vocab.json",
          "merges.txt");

  /** {@return the folders of a model without adapter} */
  public static TokenizerFolders of(Path base) {
    return new TokenizerFolders(base, base, base);
  }

  /**
   * {@return the folders of a model with an adapter}
   *
   * @param adapter its folder, or null for the bare model
   * @throws IOException if a file cannot be read
   * @throws IllegalArgumentException if a chat template is no text
   */
  public static TokenizerFolders of(Path base, Path adapter) throws IOException {
    return of(base, adapter == null ? List.of() : List.of(adapter));
  }

  /**
   * {@return the folders of a model with several adapters}
   *
   * @throws IllegalArgumentException as {@link #of(Path, Path)}, and if two have tokenizers or
   *     templates that differ
   */
  public static TokenizerFolders of(Path base, List<Path> adapters) throws IOException {
    Path vocabulary = null;
    Path template = null;
    for (Path adapter : adapters) {
      if (TokenizerDefinition.isIn(adapter)) {
        vocabulary = vocabulary == null ? adapter : same(vocabulary, adapter);
      }
      if (!ChatTemplateFiles.read(adapter).isEmpty()) {
        template = template == null ? adapter : sameTemplate(template, adapter);
      }
    }
    return new TokenizerFolders(
        vocabulary == null ? base : vocabulary, template == null ? base : template, base);
  }

  private static Path same(Path one, Path other) throws IOException {
    for (String file : VOCABULARIES) {
      Path a = one.resolve(file);
      Path b = other.resolve(file);
      if (Files.exists(a) != Files.exists(b) || (Files.exists(a) && Files.mismatch(a, b) >= 0)) {
        throw new IllegalArgumentException(
            "expected adapters with one tokenizer, found different ones: " + a + " and " + b);
      }
    }
    return one;
  }

  private static Path sameTemplate(Path one, Path other) throws IOException {
    List<String> a = texts(one);
    if (!a.equals(texts(other))) {
      throw new IllegalArgumentException(
          "expected adapters with one chat template, found different ones in "
              + one
              + " and "
              + other);
    }
    return one;
  }

  private static List<String> texts(Path folder) throws IOException {
    return ChatTemplateFiles.read(folder).values().stream()
        .map(ChatTemplateFiles.Source::text)
        .toList();
  }

  /**
   * Copies tokenizer and template to a model's or an adapter's own folder.
   *
   * @throws IOException if a file cannot be read or written
   */
  public void copy(Path to) throws IOException {
    for (String name : FILES) {
      copy(vocabulary.resolve(name), to.resolve(name));
    }
    if (!template.equals(vocabulary)) {
      // as files they go before the key of tokenizer_config.json that has just been copied
      ChatTemplateFiles.write(ChatTemplateFiles.read(template), to);
      return;
    }
    for (Path file : ChatTemplateFiles.files(template)) {
      copy(file, to.resolve(template.relativize(file)));
    }
  }

  private static void copy(Path from, Path to) throws IOException {
    if (Files.exists(from)) {
      AtomicFiles.write(to, AtomicFiles.copyOf(from));
    }
  }
}
