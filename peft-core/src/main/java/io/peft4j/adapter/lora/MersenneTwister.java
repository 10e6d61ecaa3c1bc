package io.peft4j.adapter.lora;

/**
 * The generator that torch has on the CPU: MT19937 (Matsumoto and Nishimura, 1998), for numbers
 * that a file leaves to be drawn again from a seed.
 */
public final class MersenneTwister {

  private static final int N = 624;
  private static final int M = 397;

  private final int[] state = new int[N];
  private int next = N;

  public MersenneTwister(long seed) {
    state[0] = (int) seed;
    for (int i = 1; i < N; i++) {
      state[i] = 1812433253 * (state[i - 1] ^ state[i - 1] >>> 30) + i;
    }
  }

  int nextInt() {
    if (next == N) {
      for (int i = 0; i < N; i++) {
        int y = state[i] & 0x80000000 | state[(i + 1) % N] & 0x7fffffff;
        state[i] = state[(i + M) % N] ^ y >>> 1 ^ ((y & 1) == 0 ? 0 : 0x9908b0df);
      }
      next = 0;
    }
    int y = state[next++];
    y ^= y >>> 11;
    y ^= y << 7 & 0x9d2c5680;
    y ^= y << 15 & 0xefc60000;
    return y ^ y >>> 18;
  }

  /** {@return the next number in [0, 1), as torch's {@code uniform_} on float32 takes it} */
  public float nextFloat() {
    return (nextInt() & 0xffffff) * 0x1p-24f;
  }
}
