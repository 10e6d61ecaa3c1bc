package io.peft4j.cuda;

import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import jcuda.nvptxcompiler.JNvPTXCompiler;
import jcuda.nvptxcompiler.nvPTXCompilerHandle;

/** NVIDIA's PTX assembler, which needs neither GPU nor driver. */
final class Assembly {
  /** What a kernel takes of a device. */
  record Usage(String kernel, int threads, int registers, int spilledBytes, int sharedBytes) {
    @Override
    public String toString() {
      return String.format(
          Locale.ROOT,
          "%s, %d threads: %d registers, %d bytes spilled, %d bytes static shared",
          kernel,
          threads,
          registers,
          spilledBytes,
          sharedBytes);
    }
  }

  private static final Pattern COMPILING = Pattern.compile("Compiling entry function '(\\w+)'");
  private static final Pattern SPILLS =
      Pattern.compile("(\\d+) bytes spill stores, (\\d+) bytes spill loads");
  private static final Pattern REGISTERS = Pattern.compile("Used (\\d+) registers");
  private static final Pattern SHARED = Pattern.compile("(\\d+) bytes smem");

  private Assembly() {}

  static List<Usage> of(PtxModule module, int device) {
    byte[] text = module.text().getBytes(StandardCharsets.US_ASCII);
    nvPTXCompilerHandle compiler = new nvPTXCompilerHandle();
    check(JNvPTXCompiler.nvPTXCompilerCreate(compiler, text.length, text), "create");
    try {
      String[] options = {"--gpu-name=sm_" + device, "--verbose"};
      int code = JNvPTXCompiler.nvPTXCompilerCompile(compiler, options.length, options);
      long[] size = new long[1];
      if (code != 0) {
        check(JNvPTXCompiler.nvPTXCompilerGetErrorLogSize(compiler, size), "error log");
        byte[] log = new byte[(int) size[0] + 1];
        check(JNvPTXCompiler.nvPTXCompilerGetErrorLog(compiler, log), "error log");
        throw new AssertionError(
            String.format(
                Locale.ROOT,
                "%s for sm_%d: %s",
                module.name(),
                device,
                new String(log, StandardCharsets.US_ASCII)));
      }
      check(JNvPTXCompiler.nvPTXCompilerGetInfoLogSize(compiler, size), "info log");
      byte[] log = new byte[(int) size[0] + 1];
      check(JNvPTXCompiler.nvPTXCompilerGetInfoLog(compiler, log), "info log");
      return parse(module, new String(log, StandardCharsets.US_ASCII));
    } finally {
      check(JNvPTXCompiler.nvPTXCompilerDestroy(compiler), "destroy");
    }
  }

  private static List<Usage> parse(PtxModule module, String log) {
    List<Usage> result = new ArrayList<>();
    Matcher compiling = COMPILING.matcher(log);
    for (boolean found = compiling.find(); found; ) {
      String kernel = compiling.group(1);
      int start = compiling.end();
      found = compiling.find();
      String part = log.substring(start, found ? compiling.start() : log.length());
      Matcher threads =
          Pattern.compile("\\.entry " + kernel + "\\([^)]*\\)\\s*\\.maxntid (\\d+)")
              .matcher(module.text());
      result.add(
          new Usage(
              kernel,
              threads.find() ? Integer.parseInt(threads.group(1)) : 1024,
              number(REGISTERS, part),
              number(SPILLS, part),
              number(SHARED, part)));
    }
    return result;
  }

  private static int number(Pattern pattern, String text) {
    Matcher matcher = pattern.matcher(text);
    return matcher.find() ? Integer.parseInt(matcher.group(1)) : 0;
  }

  private static void check(int code, String what) {
    if (code != 0) {
      throw new AssertionError("nvPTXCompiler " + what + " failed with " + code);
    }
  }
}
