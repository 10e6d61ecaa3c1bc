package io.peft4j.generate;

/** Hears what is generated as it comes. */
@FunctionalInterface
public interface GenerationListener {

  /**
   * @param prompt number of the prompt in the list
   * @param token that was added
   * @param text that it completes; empty where a character or a possible stop string is incomplete,
   *     or no codec was given
   */
  void onToken(int prompt, int token, String text);
}
