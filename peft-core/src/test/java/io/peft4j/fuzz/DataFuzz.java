package io.peft4j.fuzz;

import io.peft4j.Golden;
import io.peft4j.data.CausalDataset;
import io.peft4j.data.Example;
import io.peft4j.data.Task;
import io.peft4j.data.TextDataset;
import io.peft4j.data.TextFormat;
import io.peft4j.data.TextReader;
import io.peft4j.text.CausalEncoder;
import io.peft4j.text.CausalTokenizer;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Random;
import java.util.TreeMap;

/**
 * Mutated data files: reads them to their ends, as classifiers and as language models take them,
 * and tokenizes what the latter learn.
 */
public final class DataFuzz implements FuzzKind {

  private static final Map<String, String> LABELLED =
      Map.of(
          "data.csv", "text,label\n\"good, really\",pos\nbad,neg\n\"a \"\"quoted\"\"\nline\",pos\n",
          "pairs.csv", "sentence1,sentence2,label\na b,c d,0\ne f,g h,1\n",
          "data.tsv", "sentence\tlabel\nhide new secretions\t0\ncontains no wit\t1\n",
          "numbers.tsv", "text\tlabel\na\t0.5\nb\t-1e3\nc\t[1, 0]\n",
          "data.txt", "good food\tpos\nbad food\tneg\n",
          "trec.label", "NUM:dist How far is it ?\nLOC:city What city ?\n",
          "rows.ndjson",
              "{\"text\": \"good\", \"label\": \"pos\"}\n{\"text\": \"bad\", \"label\": 0}\n",
          "many.ndjson",
              "{\"text\": \"a\", \"label\": [\"x\", \"y\"]}\n\n{\"text\": \"b\", \"label\": []}\n",
          "hot.ndjson",
              "{\"text\": \"a\", \"label\": [1, 0, 0.5]}\n{\"text\": \"b\", \"label\": [0, 0, 1]}\n",
          "empty.csv", "text,label\nx,1\n,\n");

  private final List<Map<String, byte[]>> files = new ArrayList<>();
  private final List<byte[]> contents = new ArrayList<>();
  private final CausalTokenizer tokenizer;

  public DataFuzz() throws IOException {
    Path folder = Files.createTempDirectory("fuzz");
    for (String name : List.of("tokenizer.json", "tokenizer_config.json", "config.json")) {
      Files.copy(Golden.path("causal/llama").resolve(name), folder.resolve(name));
    }
    Files.copy(Golden.path("templates/chatml.jinja"), folder.resolve("chat_template.jinja"));
    tokenizer = CausalTokenizer.load(folder, 384);
    // in an order of its own, as the order of Map.of differs between processes
    new TreeMap<>(LABELLED).forEach(this::add);
    for (String name : List.of("data.txt", "rows.jsonl", "rows.json")) {
      for (String text : learnt(name)) {
        add("causal-" + name, text);
      }
    }
  }

  private static List<String> learnt(String name) {
    if (name.endsWith("txt")) {
      return List.of("Once upon a time there was\na \u00e9 dog.\n".repeat(20));
    }
    List<String> rows =
        List.of(
            "{\"text\": \"Once upon a time\"}",
            "{\"prompt\": \"2+2=\", \"completion\": \" 4\"}",
            "{\"prompt\": [{\"role\": \"user\", \"content\": \"hi\"}],"
                + " \"completion\": [{\"role\": \"assistant\", \"content\": \"ho\"}]}",
            "{\"messages\": [{\"role\": \"system\", \"content\": \"s\"}, {\"role\": \"user\","
                + " \"content\": \"hi\"}, {\"role\": \"assistant\", \"content\": \"ho\"}],"
                + " \"tools\": [{\"type\": \"function\", \"function\": {\"name\": \"f\"}}]}",
            "{\"conversations\": [{\"from\": \"human\", \"value\": \"hi\"}, {\"from\": \"gpt\","
                + " \"value\": \"ho\"}], \"system\": \"x\", \"chat_template_kwargs\": {\"a\": 1}}",
            "{\"instruction\": \"Add\", \"input\": \"1 2\", \"output\": \"3\", \"system\": \"s\","
                + " \"history\": [[\"q\", \"a\"]]}",
            "{\"instruction\": \"Add\", \"instances\": [{\"input\": \"1\", \"output\": \"2\"}]}");
    return name.endsWith("jsonl")
        ? rows.stream().map(row -> row + "\n" + row + "\n").toList()
        : rows.stream().map(row -> "[" + row + ",\n " + row + "]").toList();
  }

  private void add(String name, String text) {
    byte[] content = text.getBytes(StandardCharsets.UTF_8);
    contents.add(content);
    files.add(new LinkedHashMap<>(Map.of(name, content)));
  }

  @Override
  public Map<String, byte[]> mutant(Random random) throws IOException {
    Mutator mutator = new Mutator(random);
    Map.Entry<String, byte[]> file = mutator.pick(files).entrySet().iterator().next();
    String name = file.getKey();
    return Map.of(name, mutator.file(name, file.getValue(), mutator.pick(contents)));
  }

  @Override
  public void use(Path folder) throws IOException {
    for (String name : Mutator.files(folder).keySet()) {
      Path file = folder.resolve(name);
      if (name.startsWith("causal-")) {
        new CausalEncoder(tokenizer, 64).encode(CausalDataset.read(file, StandardCharsets.UTF_8));
      } else {
        useLabelled(file);
      }
    }
  }

  private static void useLabelled(Path file) throws IOException {
    TextReader.read(file, TextFormat.DEFAULT.unlabelled().withEmptyText(TextFormat.EmptyText.SKIP));
    List<Example> examples = TextReader.read(file, TextFormat.DEFAULT);
    IllegalArgumentException last = null;
    int read = 0;
    for (Task task : Task.values()) {
      try {
        TextDataset data = TextDataset.of(file.toString(), examples, task);
        TextDataset.like(data, file.toString(), examples);
        read++;
      } catch (IllegalArgumentException e) {
        last = e;
      }
    }
    if (read == 0) {
      throw last;
    }
  }
}
