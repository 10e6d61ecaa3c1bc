package io.peft4j.serve;

import java.util.List;

/**
 * A token of an answer.
 *
 * @param index from 0
 * @param text that it completes; empty where a character or a possible stop string is incomplete,
 *     or the router has no codec
 * @param logprob of the token by the model's own scores, in nats; NaN unless asked for
 * @param top the likeliest tokens, as many as were asked for, the likeliest first
 */
public record GeneratedToken(int index, int token, String text, double logprob, List<Top> top) {

  /**
   * A token that could have come.
   *
   * @param logprob in nats
   */
  public record Top(int token, double logprob) {}
}
