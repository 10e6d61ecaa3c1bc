package io.peft4j.model.module;

/**
 * What a graph keeps for the backward pass of a training step; for estimates of memory. Every
 * module, and everything that acts on one, states it: what is not stated would be taken to be free.
 *
 * @param token elements for each token, in the type of the pass
 * @param pass elements whatever the number of tokens, in the type of the pass
 * @param wide elements whatever the number of tokens, in float32
 * @param madeToken elements for each token, in the type of the pass, that are made beside what is
 *     kept and are gone when the layer's turn is over
 * @param madeWide such elements whatever the number of tokens, in float32
 */
public record Kept(long token, long pass, long wide, long madeToken, long madeWide) {

  /** What keeps nothing. */
  public static final Kept NOTHING = new Kept(0, 0, 0);

  private static final int WIDE = Float.BYTES;

  /** What makes nothing besides. */
  public Kept(long token, long pass, long wide) {
    this(token, pass, wide, 0, 0);
  }

  /** {@return so many elements for each token, in the type of the pass} */
  public static Kept perToken(long elements) {
    return new Kept(elements, 0, 0);
  }

  /** {@return both together} */
  public Kept plus(Kept other) {
    return new Kept(
        token + other.token,
        pass + other.pass,
        wide + other.wide,
        madeToken + other.madeToken,
        madeWide + other.madeWide);
  }

  /** {@return this, with so much that is made besides} */
  public Kept making(long token, long wide) {
    return plus(new Kept(0, 0, 0, token, wide));
  }

  /**
   * {@return how many bytes are made besides}
   *
   * @param tokens of the batch, padding included
   * @param width bytes of an element in the type of the pass
   */
  public long madeBytes(long tokens, int width) {
    return width * tokens * madeToken + WIDE * madeWide;
  }

  /**
   * {@return how many bytes are kept}
   *
   * @param tokens of the batch, padding included
   * @param width bytes of an element in the type of the pass
   */
  public long bytes(long tokens, int width) {
    return width * (tokens * token + pass) + WIDE * wide;
  }
}
