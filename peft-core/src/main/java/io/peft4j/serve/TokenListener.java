package io.peft4j.serve;

/**
 * Hears the tokens of one request as they come, one after the other, on a thread that is not the
 * model's: it may block, and if it falls too far behind, its request ends ({@link
 * GenerationResult.Finish#OVERRUN}) rather than the others wait.
 */
@FunctionalInterface
public interface TokenListener {

  /** Hears of a token; what it throws ends the request. */
  void onToken(GeneratedToken token);
}
