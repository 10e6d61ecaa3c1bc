package io.peft4j.io;

import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;

/** JSON, in files and out of them. */
public final class JsonFiles {

  /** One for all: making it is dear. Nobody may configure it; its readers and writers can be. */
  public static final ObjectMapper MAPPER = new ObjectMapper();

  private JsonFiles() {}

  /**
   * {@return what {@code file} holds}
   *
   * @throws IOException if it cannot be read
   * @throws IllegalArgumentException if it is not JSON or a git-lfs pointer; the message names it
   *     and says where
   */
  public static JsonNode read(Path file) throws IOException {
    byte[] content = Files.readAllBytes(file);
    GitLfs.refusePointer(file, content);
    try {
      return MAPPER.readTree(content);
    } catch (JsonProcessingException e) {
      throw new IllegalArgumentException(file + ": not JSON: " + JsonErrors.sentence(e), e);
    }
  }
}
