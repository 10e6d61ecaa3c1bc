package io.peft4j.hub;

import java.io.IOException;
import java.io.InputStream;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.security.MessageDigest;
import java.security.NoSuchAlgorithmException;
import java.util.HexFormat;

/**
 * What an ETag of the hub says about a file's content: 64 hex digits are the SHA-256 of a file in
 * large-file storage, 40 are the id of a git blob, the SHA-1 of {@code "blob SIZE\0"} and content.
 */
final class Checksum {
  private static final int BUFFER = 1 << 20;

  private Checksum() {}

  /** Whether {@code etag} is a checksum at all. */
  static boolean isChecksum(String etag) {
    return etag.matches("[0-9a-f]{64}|[0-9a-f]{40}");
  }

  /** The checksum of {@code file}, of the kind that {@code etag} is. */
  static String of(Path file, String etag) throws IOException {
    MessageDigest digest = digest(etag.length() == 64 ? "SHA-256" : "SHA-1");
    if (etag.length() == 40) {
      String header = "blob " + Files.size(file) + "\0";
      digest.update(header.getBytes(StandardCharsets.US_ASCII));
    }
    byte[] buffer = new byte[BUFFER];
    try (InputStream in = Files.newInputStream(file)) {
      for (int n = in.read(buffer); n >= 0; n = in.read(buffer)) {
        digest.update(buffer, 0, n);
      }
    }
    return HexFormat.of().formatHex(digest.digest());
  }

  private static MessageDigest digest(String algorithm) {
    try {
      return MessageDigest.getInstance(algorithm);
    } catch (NoSuchAlgorithmException e) {
      throw new IllegalStateException("every Java platform has " + algorithm, e);
    }
  }
}
