package io.peft4j.serve;

import io.peft4j.adapter.AdapterFiles;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.attribute.BasicFileAttributes;
import java.nio.file.attribute.FileTime;
import java.util.LinkedHashMap;
import java.util.Map;

/** By what files of an adapter's folder are known again without reading them. */
record FolderStamp(Map<Path, State> files) {

  /** What the file system says of a file. */
  record State(long size, FileTime modified, Object key) {}

  static FolderStamp of(Path folder) throws IOException {
    Map<Path, State> files = new LinkedHashMap<>();
    for (Path file : AdapterFiles.weights(folder)) {
      files.put(file, state(file));
    }
    Path config = folder.resolve(AdapterFiles.CONFIG);
    if (Files.exists(config)) {
      files.put(config, state(config));
    }
    return new FolderStamp(files);
  }

  private static State state(Path file) throws IOException {
    BasicFileAttributes found = Files.readAttributes(file, BasicFileAttributes.class);
    return new State(found.size(), found.lastModifiedTime(), found.fileKey());
  }
}
