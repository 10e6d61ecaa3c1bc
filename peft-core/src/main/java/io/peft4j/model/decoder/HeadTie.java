package io.peft4j.model.decoder;

import com.fasterxml.jackson.databind.node.JsonNodeFactory;
import io.peft4j.io.MappedFile;
import io.peft4j.model.family.Families;
import io.peft4j.model.load.ModelConfig;
import io.peft4j.model.load.StoredNames;
import io.peft4j.safetensors.Checkpoint;
import java.io.IOException;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * Whether a language model's head is its embedding. {@code config.json} says so, but a checkpoint
 * may hold a head of its own all the same: merging an adapter that trained both leaves one. As in
 * transformers, what is stored then counts.
 */
public final class HeadTie {

  private static final Logger LOGGER = LoggerFactory.getLogger(HeadTie.class);

  /** A tensor is compared in parts of this size. */
  private static final long PART_BYTES = 1 << 26;

  private HeadTie() {}

  /**
   * {@return {@code config}, saying that head and embedding are not tied where {@code checkpoint}
   * has both and they differ} A warning says so then. Reads both tensors if both are there.
   *
   * @throws IOException if they cannot be read
   */
  public static ModelConfig settled(ModelConfig config, Checkpoint checkpoint) throws IOException {
    if (!(Families.find(config.modelType()) instanceof DecoderFamily family)
        || !config.tiesHead()) {
      return config;
    }
    StoredNames names = new StoredNames(checkpoint, family.names().base, family.renamed());
    String table = names.find(family.names().table());
    String head = names.find(StoredNames.HEAD);
    if (table == null || head == null || equal(checkpoint, table, head)) {
      return config;
    }
    LOGGER.warn(
        "{}: '{}' and '{}' differ, though config.json says that they are tied: both are kept, as in"
            + " transformers; 'tie_word_embeddings': false would say so",
        checkpoint.path(),
        head,
        table);
    return config.with(
        JsonNodeFactory.instance.objectNode().put(ModelConfig.TIE_WORD_EMBEDDINGS, false));
  }

  private static boolean equal(Checkpoint checkpoint, String one, String other) throws IOException {
    if (checkpoint.info(one).dtype() != checkpoint.info(other).dtype()
        || !checkpoint.info(one).shape().equals(checkpoint.info(other).shape())) {
      return false;
    }
    long length = checkpoint.info(one).length();
    if (length == 0) {
      return true;
    }
    try (MappedFile a = checkpoint.part(one);
        MappedFile b = checkpoint.part(other)) {
      for (long at = 0; at < length; at += PART_BYTES) {
        long size = Math.min(PART_BYTES, length - at);
        if (!a.buffer(at, size).equals(b.buffer(at, size))) {
          return false;
        }
      }
      return true;
    }
  }
}
