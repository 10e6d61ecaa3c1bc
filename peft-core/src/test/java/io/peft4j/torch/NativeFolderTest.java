package io.peft4j.torch;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import java.io.IOException;
import java.nio.file.FileSystems;
import java.nio.file.Files;
import java.nio.file.LinkOption;
import java.nio.file.Path;
import java.nio.file.attribute.PosixFilePermissions;
import java.util.Map;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** Whose folders native libraries are taken from. */
class NativeFolderTest {

  @TempDir private Path temp;
  private Path home;
  private Path temporary;
  private NativeFolder me;

  @BeforeEach
  void folders() throws IOException {
    boolean posix = FileSystems.getDefault().supportedFileAttributeViews().contains("unix");
    if (!posix) {
      System.out.println("NativeFolderTest skipped: files have no owners and modes here");
    }
    assumeTrue(posix);
    home = Files.createDirectory(temp.resolve("home"));
    temporary = Files.createDirectory(temp.resolve("tmp"));
    me = new NativeFolder((Integer) Files.getAttribute(home, "unix:uid"));
  }

  private static void mode(Path path, String mode) throws IOException {
    Files.setPosixFilePermissions(path, PosixFilePermissions.fromString(mode));
  }

  private Path choose(Map<String, String> settings) {
    return me.choose(settings::get, home, temporary);
  }

  private Path ofMine() {
    return temporary.resolve("djl.ai-" + me.user());
  }

  @Test
  void inTheHomeFolderForTheUserAlone() throws IOException {
    Path folder = choose(Map.of());
    assertEquals(home.resolve(".djl.ai"), folder);
    assertEquals("rwx------", PosixFilePermissions.toString(Files.getPosixFilePermissions(folder)));
  }

  @Test
  void withoutAHomeAFolderOfTheUsersAmongTemporaryFiles() throws IOException {
    Path planted = Files.createDirectories(temporary.resolve(".djl.ai/pytorch"));
    home = temp.resolve("nonexistent");
    Path folder = choose(Map.of());
    assertEquals(ofMine(), folder);
    assertEquals("rwx------", PosixFilePermissions.toString(Files.getPosixFilePermissions(folder)));
    assertTrue(Files.exists(planted), "left alone");
  }

  @Test
  void aHomeThatOthersWroteToIsNotTrusted() throws IOException {
    Path library = home.resolve(".djl.ai/pytorch/2.7.1-cpu-linux-x86_64/libtorch.so");
    Files.createDirectories(library.getParent());
    Files.writeString(library, "");
    assertEquals(home.resolve(".djl.ai"), choose(Map.of()));
    mode(library, "rw-rw-rw-");
    assertEquals(ofMine(), choose(Map.of()));
    mode(library, "rw-r--r--");
    mode(library.getParent(), "rwxrwxrwx");
    assertEquals(ofMine(), choose(Map.of()));
  }

  /** Where the test may not give files away, the user is taken to be another. */
  @Test
  void librariesOfAnotherUserAreRefused() throws IOException {
    Path folder = choose(Map.of());
    if (me.user() == 0) {
      Files.createDirectories(ofMine());
      Files.setAttribute(folder, "unix:uid", 1234);
      Files.setAttribute(ofMine(), "unix:uid", 1234);
    } else {
      me = new NativeFolder(me.user() + 1);
      Files.createDirectories(ofMine());
    }
    IllegalArgumentException refused =
        assertThrows(IllegalArgumentException.class, () -> choose(Map.of()));
    assertTrue(refused.getMessage().contains(folder.toString()), refused.getMessage());
    assertTrue(refused.getMessage().contains(ofMine().toString()), refused.getMessage());
    assertTrue(refused.getMessage().contains("DJL_CACHE_DIR"), refused.getMessage());
  }

  @Test
  void aLinkOfAnotherUserIsRefused() throws IOException {
    if (me.user() != 0) {
      System.out.println("aLinkOfAnotherUserIsRefused skipped: only root may give a link away");
    }
    assumeTrue(me.user() == 0);
    Path mine = Files.createDirectory(temp.resolve("mine"));
    home = temp.resolve("nonexistent");
    Files.createSymbolicLink(ofMine(), mine);
    assertEquals(ofMine(), choose(Map.of()));
    Files.delete(ofMine());
    Files.createSymbolicLink(ofMine(), mine);
    Files.setAttribute(ofMine(), "unix:uid", 1234, LinkOption.NOFOLLOW_LINKS);
    assertThrows(IllegalArgumentException.class, () -> choose(Map.of()));
  }

  @ParameterizedTest
  @ValueSource(strings = {"DJL_CACHE_DIR", "ENGINE_CACHE_DIR"})
  void aFolderThatIsNamed(String setting) throws IOException {
    Path folder = temp.resolve("deep/natives");
    assertEquals(folder, choose(Map.of(setting, folder.toString())));
    assertEquals("rwx------", PosixFilePermissions.toString(Files.getPosixFilePermissions(folder)));
    mode(folder, "rwxrwxrwx");
    IllegalArgumentException refused =
        assertThrows(
            IllegalArgumentException.class, () -> choose(Map.of(setting, folder.toString())));
    assertTrue(refused.getMessage().startsWith(setting + ": " + folder), refused.getMessage());
    assertTrue(refused.getMessage().contains("rwxrwxrwx"), refused.getMessage());
  }

  @Test
  void anEmptySettingIsNone() {
    assertEquals(home.resolve(".djl.ai"), choose(Map.of("DJL_CACHE_DIR", "")));
  }
}
