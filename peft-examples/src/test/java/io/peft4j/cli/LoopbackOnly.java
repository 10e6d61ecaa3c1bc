package io.peft4j.cli;

import io.peft4j.text.TextTokenizer;
import io.peft4j.torch.Devices;
import io.peft4j.torch.IntraOp;
import java.io.IOException;
import java.net.ConnectException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.security.Permission;
import java.util.Map;
import java.util.Set;
import java.util.TreeSet;

/**
 * Runs things in a JVM that may connect to nothing but this machine. What it tried is printed as
 * lines of {@code contact HOST}, and is refused.
 */
@SuppressWarnings("removal") // nothing else sees every connect; tests run on a JDK that has it
public final class LoopbackOnly extends SecurityManager {

  private static final Set<String> LOCAL = Set.of("localhost", "127.0.0.1", "::1", "[::1]");

  private final Set<String> contacts = new TreeSet<>();

  private LoopbackOnly() {}

  /** Arguments: one of {@link #STARTS}, or a file with a command a line, and the model. */
  public static void main(String[] arguments) throws IOException {
    LoopbackOnly guard = new LoopbackOnly();
    System.setSecurityManager(guard);
    Path model = Path.of(arguments[1]);
    Map<String, Start> starts = starts(model);
    if (starts.containsKey(arguments[0])) {
      starts.get(arguments[0]).run();
    } else {
      for (String line : Files.readAllLines(Path.of(arguments[0]))) {
        System.out.println("exit " + Peft.commandLine().execute(line.split("\t")) + " of " + line);
      }
    }
    guard.contacts.forEach(host -> System.out.println("contact " + host));
  }

  /** Something of the library that starts native code. */
  interface Start {
    void run() throws IOException;
  }

  /** What may be the first that a program calls. */
  static Map<String, Start> starts(Path model) {
    return Map.of(
        "tokenizer", () -> TextTokenizer.load(model, 16, 4000).close(),
        "device", () -> Devices.missing(0),
        "threads", IntraOp::threads,
        "nothing of ours", () -> ai.djl.engine.Engine.getEngine("PyTorch"));
  }

  @Override
  public void checkConnect(String host, int port) {
    if (!LOCAL.contains(host)) {
      contacts.add(host);
      LoopbackOnly.<RuntimeException>fail(new ConnectException("no contact with " + host));
    }
  }

  /** As a network without a route does, which callers are prepared for. */
  @SuppressWarnings("unchecked")
  private static <T extends Throwable> void fail(IOException e) throws T {
    throw (T) e;
  }

  @Override
  public void checkPermission(Permission permission) {
    // everything else is as without
  }
}
