package io.peft4j.text;

import com.fasterxml.jackson.databind.JsonNode;
import io.peft4j.io.AtomicFiles;
import io.peft4j.io.GitLfs;
import io.peft4j.io.JsonFiles;
import java.io.IOException;
import java.nio.file.DirectoryStream;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;

/**
 * The chat templates of a folder by name, from where transformers looks for them: {@code
 * chat_template.jinja} and those in {@code additional_chat_templates}; else {@code chat_template}
 * in {@code tokenizer_config.json}, one or a list with names; else {@code chat_template.json}, as
 * processors had it.
 */
final class ChatTemplateFiles {

  static final String DEFAULT = "default";

  private static final String FILE = "chat_template.jinja";
  private static final String MORE = "additional_chat_templates";
  private static final String SUFFIX = ".jinja";
  private static final String PROCESSORS = "chat_template.json";
  private static final String KEY = "chat_template";

  private ChatTemplateFiles() {}

  /**
   * @param where file, and key where it has more than the template
   */
  record Source(String where, String text) {}

  static Map<String, Source> read(Path folder) throws IOException {
    Map<String, Source> found = new TreeMap<>();
    for (Path file : files(folder)) {
      String name = file.getFileName().toString();
      if (name.equals(FILE) && file.getParent().equals(folder)) {
        found.put(DEFAULT, source(file));
      } else if (name.endsWith(SUFFIX)) {
        found.put(name.substring(0, name.length() - SUFFIX.length()), source(file));
      }
    }
    for (String json : new String[] {"tokenizer_config.json", PROCESSORS}) {
      if (found.isEmpty() && Files.exists(folder.resolve(json))) {
        readJson(folder.resolve(json), found);
      }
    }
    return found;
  }

  /** {@return those files of a folder that hold nothing but templates} */
  static List<Path> files(Path folder) throws IOException {
    List<Path> files = new ArrayList<>();
    for (String name : new String[] {FILE, PROCESSORS}) {
      if (Files.exists(folder.resolve(name))) {
        files.add(folder.resolve(name));
      }
    }
    if (Files.isDirectory(folder.resolve(MORE))) {
      try (DirectoryStream<Path> more =
          Files.newDirectoryStream(folder.resolve(MORE), "*" + SUFFIX)) {
        more.forEach(files::add);
      }
    }
    return files;
  }

  private static Source source(Path file) throws IOException {
    GitLfs.refusePointer(file);
    return new Source(file.toString(), Files.readString(file));
  }

  private static void readJson(Path file, Map<String, Source> found) throws IOException {
    JsonNode node = JsonFiles.read(file).path(KEY);
    String where = file + ": " + KEY;
    if (node.isTextual()) {
      found.put(DEFAULT, new Source(where, node.textValue()));
    } else if (node.isArray()) {
      for (JsonNode entry : node) {
        if (!entry.path("name").isTextual() || !entry.path("template").isTextual()) {
          throw wrong(where, entry);
        }
        String name = entry.get("name").textValue();
        found.put(name, new Source(where + ": " + name, entry.get("template").textValue()));
      }
    } else if (!node.isMissingNode() && !node.isNull()) {
      throw wrong(where, node);
    }
  }

  private static IllegalArgumentException wrong(String where, JsonNode found) {
    return new IllegalArgumentException(
        where + ": expected a string, or a list of {\"name\", \"template\"}, found " + found);
  }

  /** Writes templates as files, which go before what any other file says. */
  static void write(Map<String, Source> templates, Path folder) throws IOException {
    for (Map.Entry<String, Source> entry : templates.entrySet()) {
      String name = entry.getKey();
      Path file =
          name.equals(DEFAULT)
              ? folder.resolve(FILE)
              : folder.resolve(MORE).resolve(name + SUFFIX).normalize();
      if (!name.equals(DEFAULT) && !file.getParent().equals(folder.resolve(MORE).normalize())) {
        throw new IllegalArgumentException(
            entry.getValue().where() + ": expected a name that a file can have, found " + name);
      }
      AtomicFiles.writeString(file, entry.getValue().text());
    }
  }
}
