package io.peft4j.cli;

import io.peft4j.text.TextTokenizer;
import io.peft4j.torch.Devices;
import io.peft4j.torch.IntraOp;
import java.io.IOException;
import java.net.ConnectException;
import java.net.Socket;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.security.Permission;
import java.util.List;
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
        System.out.println("exit " + run(line.split("\t")) + " of " + line);
      }
    }
    guard.contacts.forEach(host -> System.out.println("contact " + host));
  }

  /** A command that serves is asked something, and then told to end. */
  private static int run(String... command) throws IOException {
    if (!command[0].equals("serve")) {
      return Peft.commandLine().execute(command);
    }
    int[] code = {-1};
    Thread serving = new Thread(() -> code[0] = Peft.commandLine().execute(command));
    serving.setDaemon(true);
    serving.start();
    try {
      int port = Integer.parseInt(command[List.of(command).indexOf("--port") + 1]);
      String answer = "";
      for (int i = 0; i < 600 && answer.isEmpty() && serving.isAlive(); i++) {
        Thread.sleep(100);
        answer = ask(port);
      }
      serving.interrupt();
      serving.join();
      return answer.startsWith("HTTP/1.1 200") ? code[0] : 1;
    } catch (InterruptedException e) {
      throw new IOException(e);
    }
  }

  /** {@return what the server says; empty where it does not listen yet} */
  private static String ask(int port) throws IOException {
    String body = "{\"model\":\"lm\",\"prompt\":\"Rinse\",\"max_tokens\":2}";
    String request =
        "POST /v1/completions HTTP/1.1\r\nHost: localhost\r\nContent-Length: "
            + body.length()
            + "\r\n\r\n"
            + body;
    try (Socket socket = new Socket("127.0.0.1", port)) {
      socket.getOutputStream().write(request.getBytes(StandardCharsets.US_ASCII));
      return new String(socket.getInputStream().readNBytes(12), StandardCharsets.US_ASCII);
    } catch (ConnectException e) {
      return "";
    }
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
