package io.peft4j.torch;

import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.util.Locale;
import java.util.zip.CRC32;
import java.util.zip.ZipEntry;
import java.util.zip.ZipOutputStream;

/**
 * A TorchScript archive ({@code .pt}) of one class without parameters, built in memory from its
 * source text. The layout is PyTorch's own: a zip of stored entries holding a pickled instance
 * ({@code data.pkl}), the constants and the code, in file format version 10.
 */
final class ScriptArchive {

  private ScriptArchive() {}

  /**
   * @param className name of the only class in {@code source}
   * @param source TorchScript in the dialect that {@code torch.jit.save} writes
   * @return the bytes of the archive
   */
  static byte[] build(String className, String source) throws IOException {
    ByteArrayOutputStream bytes = new ByteArrayOutputStream();
    try (ZipOutputStream zip = new ZipOutputStream(bytes)) {
      zip.setMethod(ZipOutputStream.STORED);
      String root = className.toLowerCase(Locale.ROOT) + "/";
      store(zip, root + "data.pkl", pickledInstance(className));
      store(zip, root + "code/__torch__.py", source.getBytes(StandardCharsets.UTF_8));
      store(zip, root + "constants.pkl", new byte[] {(byte) 0x80, 2, ')', '.'}); // an empty tuple
      store(zip, root + "version", ascii("10\n"));
      store(zip, root + "byteorder", ascii("little"));
    }
    return bytes.toByteArray();
  }

  /** Pickle protocol 2 of {@code __torch__.<className>} with the one attribute training=False. */
  private static byte[] pickledInstance(String className) throws IOException {
    ByteArrayOutputStream pickle = new ByteArrayOutputStream();
    pickle.write(new byte[] {(byte) 0x80, 2});
    pickle.write(ascii("c__torch__\n" + className + "\n")); // GLOBAL
    pickle.write(new byte[] {')', (byte) 0x81, '}', '('}); // (), NEWOBJ, {}, MARK
    pickle.write(new byte[] {'X', 8, 0, 0, 0}); // BINUNICODE, little-endian length
    pickle.write(ascii("training"));
    pickle.write(new byte[] {(byte) 0x89, 'u', 'b', '.'}); // False, SETITEMS, BUILD, STOP
    return pickle.toByteArray();
  }

  private static void store(ZipOutputStream zip, String name, byte[] content) throws IOException {
    ZipEntry entry = new ZipEntry(name);
    CRC32 crc = new CRC32();
    crc.update(content);
    entry.setCrc(crc.getValue());
    entry.setSize(content.length);
    entry.setTime(0);
    zip.putNextEntry(entry);
    zip.write(content);
    zip.closeEntry();
  }

  private static byte[] ascii(String text) {
    return text.getBytes(StandardCharsets.US_ASCII);
  }
}
