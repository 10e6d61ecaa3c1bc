package io.peft4j.examples.importer;

import java.io.IOException;
import java.io.InputStream;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.concurrent.Callable;
import java.util.stream.Collectors;
import picocli.CommandLine.ArgGroup;
import picocli.CommandLine.Command;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Option;
import picocli.CommandLine.ParameterException;
import picocli.CommandLine.Spec;

/**
 * {@code import}: makes a Hugging Face model folder of a pretrained encoder on the class path, in a
 * jar, or in an ONNX file that PyTorch's exporter wrote. A folder that is complete is left alone.
 */
@Command(
    name = "import",
    description = "Make a Hugging Face model folder of a pretrained encoder published for Java.",
    mixinStandardHelpOptions = true)
public final class ImportCommand implements Callable<Integer> {

  @Spec private CommandSpec spec;

  @ArgGroup(multiplicity = "1")
  private Source source;

  @Option(names = "--output", required = true, description = "The folder to make.")
  private Path output;

  /** What to import: a known model, or a file with its tokenizer. */
  private static final class Source {
    @ArgGroup(exclusive = false)
    private Known known;

    @ArgGroup(exclusive = false)
    private Onnx onnx;
  }

  private static final class Known {
    @Option(
        names = "--model",
        required = true,
        description = "minilm, bge-small, e5-small or bert-base-uncased.")
    private String name;

    @Option(names = "--jar", description = "The jar it is in, if not on the class path.")
    private Path jar;
  }

  private static final class Onnx {
    @Option(names = "--onnx", required = true, description = "A BERT exported to ONNX.")
    private Path file;

    @Option(names = "--tokenizer", required = true, description = "Its tokenizer.json.")
    private Path tokenizer;

    @Option(names = "--heads", required = true, description = "Its number of attention heads.")
    private int heads;
  }

  @Override
  public Integer call() throws IOException {
    Path made = source.onnx != null ? importOnnx(source.onnx) : importKnown(source.known);
    spec.commandLine().getOut().println(made);
    return 0;
  }

  private Path importKnown(Known known) throws IOException {
    EmbeddedModel model =
        Arrays.stream(EmbeddedModel.values())
            .filter(candidate -> candidate.profile().equals(known.name))
            .findFirst()
            .orElseThrow(() -> unknown(known.name));
    return known.jar == null ? model.importTo(output) : model.importTo(output, known.jar);
  }

  private ParameterException unknown(String name) {
    String names =
        Arrays.stream(EmbeddedModel.values())
            .map(EmbeddedModel::profile)
            .collect(Collectors.joining(", "));
    return new ParameterException(
        spec.commandLine(), "--model: expected one of %s, found '%s'".formatted(names, name));
  }

  private Path importOnnx(Onnx onnx) throws IOException {
    return ModelFolder.makeOnce(
        output,
        staging -> {
          try (InputStream weights = Files.newInputStream(onnx.file);
              InputStream tokenizer = Files.newInputStream(onnx.tokenizer)) {
            OnnxImport.run(weights, onnx.file.toString(), tokenizer, onnx.heads, staging);
          }
        });
  }
}
