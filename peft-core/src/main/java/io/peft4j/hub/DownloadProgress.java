package io.peft4j.hub;

/** Hears of downloads as they proceed. */
@FunctionalInterface
public interface DownloadProgress {
  /** Hears nothing. */
  DownloadProgress NONE = (file, done, total) -> {};

  /**
   * Called when a file's download starts or resumes, after each piece, and at its end. The calls
   * come from other threads than the one that asked, but never two at once.
   *
   * @param file the file's name in the model's repository
   * @param done bytes there by now; less than before if the server made it start over
   * @param total bytes the whole file has
   */
  void progressed(String file, long done, long total);
}
