package io.peft4j.examples;

import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.io.StringWriter;
import java.net.URI;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import javax.tools.JavaFileObject;
import javax.tools.SimpleJavaFileObject;
import javax.tools.ToolProvider;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** What the Javadoc of the entry points teaches compiles. */
class JavadocSnippetsTest {

  private static final Path SOURCES = Path.of("../peft-core/src/main/java/io/peft4j");
  private static final Pattern SNIPPET = Pattern.compile("(?s)<pre>\\{@code\n(.*?)\n \\* }</pre>");

  /** What a snippet takes as given. */
  private static final String AROUND =
      """
      import ai.djl.ndarray.NDArray;
      import ai.djl.ndarray.types.DataType;
      import io.peft4j.adapter.*;
      import io.peft4j.adapter.lora.*;
      import io.peft4j.adapter.method.*;
      import io.peft4j.generate.*;
      import io.peft4j.model.*;
      import io.peft4j.model.batch.*;
      import io.peft4j.model.load.*;
      import io.peft4j.text.*;
      import io.peft4j.train.*;
      import io.peft4j.train.report.*;
      import java.nio.file.Path;
      import java.util.List;
      import java.util.Map;

      class Snippet {
        Object run(Path folder, Path german, Path legal, Path output, AdaptedModel model,
            ClassificationSet train, ClassificationSet heldOut) throws Exception {
          if (output != null) {
            %s
          }
          return null;
        }
      }
      """;

  @TempDir private Path folder;

  @ParameterizedTest
  @ValueSource(
      strings = {
        "model/Model.java",
        "model/CausalLm.java",
        "adapter/AdaptedModel.java",
        "train/LossFunction.java",
        "train/Trainer.java"
      })
  void compiles(String file) throws IOException {
    String source = Files.readString(SOURCES.resolve(file));
    Matcher snippet = SNIPPET.matcher(source);
    assertTrue(snippet.find(), "expected a snippet in the Javadoc of " + file);
    String code = snippet.group(1).replaceAll("(?m)^ \\* ?", "");
    String whole = AROUND.replace("%s", named(code));
    StringWriter messages = new StringWriter();
    List<String> options =
        List.of(
            "-classpath",
            System.getProperty("surefire.test.class.path", System.getProperty("java.class.path")),
            "-d",
            folder.toString(),
            "-proc:none");
    boolean compiled =
        ToolProvider.getSystemJavaCompiler()
            .getTask(messages, null, null, options, null, List.of(file(whole)))
            .call();
    assertTrue(compiled, () -> file + ": " + messages + "\n" + whole);
  }

  /** A snippet that makes its own {@code model} must not find one. */
  private static String named(String code) {
    return code.contains(" model = ") ? code.replaceAll("\\bmodel\\b(?=[. =,)])", "own") : code;
  }

  private static JavaFileObject file(String source) {
    return new SimpleJavaFileObject(
        URI.create("string:///Snippet.java"), JavaFileObject.Kind.SOURCE) {
      @Override
      public CharSequence getCharContent(boolean ignoreEncodingErrors) {
        return source;
      }
    };
  }
}
