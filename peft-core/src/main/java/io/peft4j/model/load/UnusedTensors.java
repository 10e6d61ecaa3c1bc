package io.peft4j.model.load;

import io.peft4j.safetensors.Checkpoint;
import java.util.List;
import java.util.Set;
import java.util.regex.Pattern;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * Looks at what of a checkpoint a model has not asked for once it is built: as in transformers that
 * is said, unless it is known to mean nothing.
 */
public final class UnusedTensors {

  private static final Logger LOGGER = LoggerFactory.getLogger(UnusedTensors.class);

  /** What older versions stored though it follows from the config: positions, masks, rotations. */
  private static final Pattern DERIVED =
      Pattern.compile(
          "(^|\\.)(position_ids|rotary_emb\\.inv_freq|(attn|attention)\\.(masked_)?bias)$");

  /** Another task's as well: RoBERTa's classifier and language models do without. */
  private static final Pattern POOLER = Pattern.compile("(^|\\.)pooler\\.");

  private static final int NAMED = 3;

  private UnusedTensors() {}

  /**
   * Warns of those tensors, naming the first of them.
   *
   * @param heads first parts of the names of heads, for one task or another
   */
  public static void warn(
      Checkpoint checkpoint, StoredNames names, WeightFormat.Opened format, Set<String> heads) {
    List<String> unused =
        names.unasked().stream()
            .filter(name -> !meansNothing(name, names, heads) && !isPart(name, names, format))
            .toList();
    if (unused.isEmpty()) {
      return;
    }
    int more = unused.size() - NAMED;
    LOGGER.warn(
        "{}: not used, for the model that config.json describes has no such {}: {}{}",
        checkpoint.path(),
        unused.size() == 1 ? "tensor" : "tensors",
        String.join(", ", unused.subList(0, Math.min(NAMED, unused.size()))),
        more > 0 ? " and " + more + " more" : "");
  }

  private static boolean meansNothing(String name, StoredNames names, Set<String> heads) {
    String first = name.substring(0, Math.max(0, name.indexOf('.')));
    return DERIVED.matcher(name).find()
        || (heads.contains(first) && !names.askedFor(first + "."))
        || (POOLER.matcher(name).find()
            && !names.askedFor(name.replaceFirst("pooler\\..*", "pooler.")));
  }

  private static boolean isPart(String name, StoredNames names, WeightFormat.Opened format) {
    String weight = format == null ? null : format.weightOf(name);
    return weight != null && names.askedFor(weight);
  }
}
