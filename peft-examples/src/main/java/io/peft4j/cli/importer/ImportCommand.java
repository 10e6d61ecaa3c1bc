package io.peft4j.cli.importer;

import java.io.IOException;
import java.io.InputStream;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.Locale;
import java.util.concurrent.Callable;
import java.util.stream.Collectors;
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

  @Option(names = "--output", required = true, description = "The folder to make.")
  private Path output;

  @Option(
      names = "--model",
      description = "minilm, bge-small, e5-small or bert-base-uncased; or give --onnx.")
  private String model;

  @Option(names = "--jar", description = "The jar --model is in, if not on the class path.")
  private Path jar;

  @Option(names = "--onnx", description = "A BERT exported to ONNX; or give --model.")
  private Path onnx;

  @Option(names = "--tokenizer", description = "The tokenizer.json of --onnx.")
  private Path tokenizer;

  @Option(names = "--heads", description = "How many attention heads --onnx has.")
  private Integer heads;

  @Override
  public Integer call() throws IOException {
    check((model == null) != (onnx == null), "expected either --model or --onnx");
    boolean completes = (tokenizer != null) == (onnx != null) && (heads != null) == (onnx != null);
    check(completes, "--onnx, --tokenizer and --heads are given together or not at all");
    check(jar == null || model != null, "--jar: goes with --model");
    spec.commandLine().getOut().println(onnx != null ? importOnnx() : importKnown());
    return 0;
  }

  private void check(boolean holds, String message) {
    if (!holds) {
      throw new ParameterException(spec.commandLine(), message);
    }
  }

  private Path importKnown() throws IOException {
    EmbeddedModel known =
        Arrays.stream(EmbeddedModel.values())
            .filter(candidate -> candidate.profile().equals(model))
            .findFirst()
            .orElseThrow(this::unknown);
    return jar == null ? known.importTo(output) : known.importTo(output, jar);
  }

  private ParameterException unknown() {
    String names =
        Arrays.stream(EmbeddedModel.values())
            .map(EmbeddedModel::profile)
            .collect(Collectors.joining(", "));
    return new ParameterException(
        spec.commandLine(),
        String.format(Locale.ROOT, "--model: expected one of %s, found '%s'", names, model));
  }

  private Path importOnnx() throws IOException {
    return ModelFolder.makeOnce(
        output,
        staging -> {
          try (InputStream weights = Files.newInputStream(onnx);
              InputStream words = Files.newInputStream(tokenizer)) {
            OnnxImport.run(weights, onnx.toString(), words, heads, staging);
          }
        });
  }
}
