package io.peft4j.hub;

import java.util.regex.Pattern;

/**
 * A model on the hub.
 *
 * @param repository {@code org/name}, or {@code name} alone for the oldest models
 * @param revision a branch, tag or commit
 */
public record ModelId(String repository, String revision) {
  /** The revision meant when none is given. */
  public static final String DEFAULT_REVISION = "main";

  static final Pattern COMMIT = Pattern.compile("[0-9a-f]{40}");
  private static final Pattern PART = Pattern.compile("\\w(?:[\\w.-]*\\w)?");
  private static final Pattern REVISION = Pattern.compile("[\\w.+-][\\w.+/-]*");
  private static final int MAX_LENGTH = 96;

  /**
   * @throws IllegalArgumentException if either is not as the hub allows it
   */
  public ModelId {
    String[] parts = repository.split("/", -1);
    boolean valid = parts.length <= 2 && repository.length() <= MAX_LENGTH;
    for (String part : parts) {
      valid &= PART.matcher(part).matches();
    }
    if (!valid
        || repository.contains("--")
        || repository.contains("..")
        || repository.endsWith(".git")) {
      throw new IllegalArgumentException(
          "'" + repository + "' is neither a folder nor a model's name on the hub (org/name)");
    }
    if (!REVISION.matcher(revision).matches()
        || revision.contains("..")
        || revision.contains("//")
        || revision.contains("/./")
        || revision.equals(".")
        || revision.endsWith("/")) {
      throw new IllegalArgumentException(
          "'" + revision + "' is not the name of a revision of " + repository);
    }
  }

  /**
   * Reads {@code org/name[@revision]}.
   *
   * @throws IllegalArgumentException if the text is not of that form
   */
  public static ModelId parse(String text) {
    if (text.contains("://")) {
      throw new IllegalArgumentException(
          "'"
              + HubRequest.plain(text)
              + "' is an address; a model is named as org/name, the hub by HF_ENDPOINT");
    }
    int at = text.indexOf('@');
    return at < 0
        ? new ModelId(text, DEFAULT_REVISION)
        : new ModelId(text.substring(0, at), text.substring(at + 1));
  }

  /** Whether the revision is a whole commit hash, which never comes to mean something else. */
  boolean isCommit() {
    return COMMIT.matcher(revision).matches();
  }

  /** The name of the model's folder in the cache. */
  String folderName() {
    return "models--" + repository.replace("/", "--");
  }

  @Override
  public String toString() {
    return revision.equals(DEFAULT_REVISION) ? repository : repository + "@" + revision;
  }
}
