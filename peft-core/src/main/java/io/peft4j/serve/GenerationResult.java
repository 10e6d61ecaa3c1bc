package io.peft4j.serve;

import java.time.Duration;
import java.util.List;

/**
 * What was added to a prompt.
 *
 * @param tokens with the end token or the stop string's, where one of them ended it
 * @param text without either; null where the router has no codec
 * @param adapter the name of the one that was used, or null for the base
 * @param version of that adapter, see {@link AdapterInfo}; 0 for the base
 * @param promptTokens tokens of the prompt
 */
public record GenerationResult(
    List<GeneratedToken> tokens,
    String text,
    Finish finish,
    String adapter,
    long version,
    int promptTokens,
    Timings timings) {

  /** Why a sequence ended. */
  public enum Finish {
    /** It has as many new tokens as were allowed. */
    LENGTH,
    /** The model takes no more tokens. */
    CONTEXT,
    /** An end token came. */
    EOS,
    /** A stop string came. */
    STOP,
    /** Its handle was cancelled. */
    CANCELLED,
    /** Its deadline, or {@code max_time}, was over. */
    DEADLINE,
    /** Its listener was too slow. */
    OVERRUN
  }

  /**
   * How long it took.
   *
   * @param queued from the request to the beginning
   * @param firstToken from the request to the first token; null where none came
   * @param total from the request to the end
   */
  public record Timings(Duration queued, Duration firstToken, Duration total) {}

  /** {@return the token numbers} */
  public int[] ids() {
    return tokens.stream().mapToInt(GeneratedToken::token).toArray();
  }
}
