package io.peft4j.io;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import java.util.concurrent.FutureTask;
import java.util.stream.Stream;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** Files that change together: all of the old ones or all of the new ones. */
class FileGroupTest {

  private static final Map<String, String> OLD = Map.of("a", "old a", "b", "old b", "key", "old");
  private static final Map<String, String> NEW = Map.of("a", "new a", "b", "new b", "key", "new");

  @TempDir Path folder;

  @BeforeEach
  void others() throws IOException {
    Files.writeString(folder.resolve(".notes.old"), "somebody's");
  }

  private static Map<String, AtomicFiles.Content> contents(Map<String, String> texts) {
    Map<String, AtomicFiles.Content> files = new LinkedHashMap<>();
    for (String name : new String[] {"a", "b", "key"}) {
      files.put(name, AtomicFiles.text(texts.get(name)));
    }
    return files;
  }

  private Map<String, String> found() throws IOException {
    Map<String, String> found = new TreeMap<>();
    try (Stream<Path> files = Files.list(folder)) {
      for (Path file : files.toList()) {
        found.put(file.getFileName().toString(), Files.readString(file));
      }
    }
    assertEquals("somebody's", found.remove(".notes.old"));
    return found;
  }

  @Test
  void replacesAll() throws IOException {
    FileGroup.write(folder, contents(OLD));
    assertEquals(OLD, found());
    FileGroup.write(folder, contents(NEW));
    assertEquals(NEW, found());
  }

  @Test
  void oneThatFailsLeavesAllAsTheyWere() throws IOException {
    for (Map<String, String> before : List.of(Map.<String, String>of(), OLD)) {
      if (!before.isEmpty()) {
        FileGroup.write(folder, contents(before));
      }
      Map<String, AtomicFiles.Content> files = contents(NEW);
      files.put(
          "key",
          temporary -> {
            throw new IOException("full");
          });
      assertThrows(IOException.class, () -> FileGroup.write(folder, files));
      assertEquals(before, found());
    }
  }

  @Test
  void oneThatCannotBePutInPlaceLeavesAllAsTheyWere() throws IOException {
    for (String name : new String[] {"a", "b", "key"}) {
      // what cannot be replaced: a folder with something in it, where a new file should go
      Path own = Files.createDirectory(folder.resolve("sub-" + name));
      FileGroup.write(own, contents(OLD));
      Files.createDirectories(own.resolve("." + name + ".peft-old").resolve("x"));
      assertThrows(IOException.class, () -> FileGroup.write(own, contents(NEW)));
      for (String file : OLD.keySet()) {
        assertEquals(OLD.get(file), Files.readString(own.resolve(file)));
      }
      Files.delete(own.resolve("." + name + ".peft-old").resolve("x"));
      Files.delete(own.resolve("." + name + ".peft-old"));
      for (String file : OLD.keySet()) {
        Files.delete(own.resolve(file));
      }
      Files.delete(own);
    }
  }

  /** What a process leaves that is killed between any two of its renames. */
  @Test
  void movesOnWhereItWasKilled() throws IOException {
    String[] names = {"a", "b", "key"};
    for (int moves = 0; moves <= 6; moves++) {
      FileGroup.write(folder, contents(OLD));
      for (String name : names) {
        Files.writeString(fresh(name), NEW.get(name));
      }
      for (int i = 0; i < moves; i++) {
        String name = i < 3 ? names[2 - i] : names[i - 3];
        if (i < 3) {
          Files.move(folder.resolve(name), old(name));
        } else {
          Files.move(fresh(name), folder.resolve(name));
        }
      }
      assertEquals(moves > 0, FileGroup.unfinished(folder));
      assertEquals(moves > 0, FileGroup.settle(folder));
      FileGroup.recover(folder);
      assertEquals(moves == 0 ? OLD : NEW, found(), moves + " moves");
      assertFalse(FileGroup.unfinished(folder));
    }
  }

  @Test
  void oneWriterAtATime() throws Exception {
    FileGroup.write(folder, contents(OLD));
    FutureTask<OutputLock> taking = new FutureTask<>(() -> OutputLock.of(folder));
    new Thread(taking).start();
    try (OutputLock other = taking.get()) {
      assertThrows(IOException.class, () -> FileGroup.write(folder, contents(NEW)));
      Files.move(folder.resolve("key"), old("key"));
      assertThrows(IOException.class, () -> FileGroup.settle(folder), "it is under way");
      Files.move(old("key"), folder.resolve("key"));
      Files.delete(folder.resolve(OutputLock.FILE));
      assertEquals(OLD, found());
    }
    try (OutputLock own = OutputLock.of(folder)) {
      FileGroup.write(folder, contents(NEW));
    }
    assertEquals(NEW, found());
  }

  @Test
  void anInterruptedThreadWritesToTheEnd() throws IOException {
    Thread.currentThread().interrupt();
    FileGroup.write(folder, contents(OLD));
    AtomicFiles.writeString(folder.resolve("alone"), "whole");
    assertTrue(Thread.interrupted());
    boolean[] first = {true};
    AtomicFiles.write(
        folder.resolve("alone"),
        temporary -> {
          if (first[0]) {
            first[0] = false;
            Thread.currentThread().interrupt();
          }
          AtomicFiles.copyOf(folder.resolve("a")).writeTo(temporary);
          try (var channel =
              java.nio.channels.FileChannel.open(
                  temporary, java.nio.file.StandardOpenOption.APPEND)) {
            channel.write(java.nio.ByteBuffer.wrap(new byte[] {'!'}));
          }
        });
    assertTrue(Thread.interrupted());
    assertEquals("old a!", Files.readString(folder.resolve("alone")));
  }

  private Path fresh(String name) {
    return folder.resolve("." + name + ".peft-new");
  }

  private Path old(String name) {
    return folder.resolve("." + name + ".peft-old");
  }
}
