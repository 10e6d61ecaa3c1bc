package io.peft4j.serve;

import io.peft4j.generate.GenerationConfig;
import io.peft4j.generate.TokenChooser;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Locale;
import java.util.concurrent.TimeUnit;
import java.util.stream.IntStream;

/** A sequence that is waiting to be continued, or being so. */
final class Generation implements Waiting {

  private final GenerationRequest request;
  private final String adapterName;
  private final GenerationHandle handle;
  private final Delivery delivery;
  private final GenerationConfig config;
  private final long deadline;
  private AdapterVersion version;
  private TokenChooser chooser;
  private int maxLength;
  private int limit;
  private int[] tokens;
  private int prompt;
  private int told;

  Generation(
      GenerationRequest request, String adapterName, GenerationHandle handle, Delivery delivery) {
    this.request = request;
    this.adapterName = adapterName;
    this.handle = handle;
    this.delivery = delivery;
    this.config = request.config();
    this.deadline = allowed(request);
  }

  /** {@return nanoseconds from the request on} */
  private static long allowed(GenerationRequest request) {
    double seconds = request.config().toJson().path("max_time").asDouble(1e9);
    long most = (long) (Math.min(Math.max(seconds, 0), 1e9) * TimeUnit.SECONDS.toNanos(1));
    return request.deadline() == null ? most : Math.min(most, request.deadline().toNanos());
  }

  @Override
  public String adapterName() {
    return adapterName;
  }

  @Override
  public long submitted() {
    return delivery.submitted();
  }

  @Override
  public boolean late(long now) {
    return now - submitted() > deadline;
  }

  @Override
  public boolean cancelled() {
    return handle.cancelled();
  }

  @Override
  public void end(GenerationResult.Finish finish) {
    delivery.finish(finish);
  }

  @Override
  public void fail(RuntimeException why) {
    delivery.fail(why);
  }

  GenerationRequest request() {
    return request;
  }

  /** {@return what it has begun with; null before} */
  AdapterVersion version() {
    return version;
  }

  /**
   * Begins.
   *
   * @param before the prompt with what the adapter puts before it
   * @param context the most tokens that the model takes with the adapter
   * @throws IllegalArgumentException if the prompt leaves no room
   */
  void begin(AdapterVersion with, int[] before, int context) {
    limit = config.limit(request.tokens().length, context);
    version = with;
    maxLength = context;
    tokens = before;
    prompt = before.length;
    delivery.begin(with);
  }

  /** {@return tokens that the model has not computed, of which there are {@code computed}} */
  int pending(int computed) {
    return tokens.length - computed;
  }

  /** {@return how many tokens it has in the model's count} */
  int length() {
    return tokens.length;
  }

  /** {@return tokens of the prompt in the model's count} */
  int prompt() {
    return prompt;
  }

  /** {@return how many tokens it begins with that {@code other} does too, all but its last} */
  int common(Generation other) {
    int most = Math.min(tokens.length - 1, other.tokens.length);
    int differ = Arrays.mismatch(tokens, 0, most, other.tokens, 0, most);
    return differ < 0 ? most : differ;
  }

  int[] tokens(int from, int count) {
    return Arrays.copyOfRange(tokens, from, from + count);
  }

  /** {@return why it has to end before another step; null where it need not} */
  GenerationResult.Finish ended(long now) {
    if (cancelled() || delivery.done()) {
      return GenerationResult.Finish.CANCELLED;
    }
    return late(now) ? GenerationResult.Finish.DEADLINE : null;
  }

  /**
   * Takes the next token.
   *
   * @return whether the sequence has ended
   * @throws IllegalArgumentException if none can be drawn
   * @throws ArithmeticException if the logits are not numbers
   */
  boolean accept(float[] logits) {
    checkFinite(logits);
    if (chooser == null) {
      chooser = new TokenChooser(config, request.tokens(), limit, logits.length, 0);
    }
    int token = chooser.choose(logits);
    told++;
    boolean ends = config.eosTokenIds().contains(token);
    GenerationResult.Finish finish = null;
    int length = request.tokens().length + told;
    if (ends) {
      finish = GenerationResult.Finish.EOS;
    } else if (length >= limit) {
      finish = GenerationResult.Finish.LENGTH;
    } else if (length > maxLength) {
      finish = GenerationResult.Finish.CONTEXT;
    }
    if (!delivery.offer(item(token, ends, logits))) {
      finish = GenerationResult.Finish.OVERRUN;
    }
    if (finish != null) {
      delivery.finish(finish);
      return true;
    }
    tokens = Arrays.copyOf(tokens, tokens.length + 1);
    tokens[tokens.length - 1] = token;
    return false;
  }

  private void checkFinite(float[] logits) {
    for (float logit : logits) {
      if (Float.isNaN(logit) || logit == Float.POSITIVE_INFINITY) {
        throw new ArithmeticException(
            String.format(
                Locale.ROOT,
                "%s gives scores that are not numbers after %d tokens",
                version.isBase() ? "the base" : "adapter '" + version.name() + "'",
                told));
      }
    }
  }

  private Delivery.Item item(int token, boolean ends, float[] logits) {
    if (request.logprobs() < 0) {
      return new Delivery.Item(token, Double.NaN, List.of(), ends);
    }
    double max = Float.NEGATIVE_INFINITY;
    for (float logit : logits) {
      max = Math.max(max, logit);
    }
    double sum = 0;
    for (float logit : logits) {
      sum += Math.exp(logit - max);
    }
    double norm = max + Math.log(sum);
    List<GeneratedToken.Top> top = new ArrayList<>();
    for (int best : best(logits, request.logprobs())) {
      top.add(new GeneratedToken.Top(best, logits[best] - norm));
    }
    return new Delivery.Item(token, logits[token] - norm, List.copyOf(top), ends);
  }

  /** {@return the numbers of the largest, the largest first} */
  private static int[] best(float[] values, int count) {
    int[] best = new int[Math.min(count, values.length)];
    int found = 0;
    for (int i = 0; i < values.length && best.length > 0; i++) {
      if (found == best.length && values[i] <= values[best[found - 1]]) {
        continue;
      }
      int at = found < best.length ? found++ : found - 1;
      while (at > 0 && values[best[at - 1]] < values[i]) {
        best[at] = best[at - 1];
        at--;
      }
      best[at] = i;
    }
    return IntStream.of(best).limit(found).toArray();
  }
}
