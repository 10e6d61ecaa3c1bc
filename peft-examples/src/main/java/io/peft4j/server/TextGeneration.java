package io.peft4j.server;

import io.peft4j.generate.Codec;
import io.peft4j.generate.GenerationConfig;
import io.peft4j.generate.GrowingText;
import io.peft4j.serve.GeneratedToken;
import io.peft4j.serve.GenerationHandle;
import io.peft4j.serve.GenerationRequest;
import io.peft4j.serve.GenerationResult;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Optional;
import java.util.Set;
import java.util.concurrent.BlockingQueue;
import java.util.concurrent.CompletionException;
import java.util.concurrent.LinkedBlockingQueue;
import java.util.concurrent.TimeUnit;

/**
 * Sequences that a router generates, as text that comes piece by piece. One thread takes the
 * pieces, whose texts together are each sequence's text; closing it cancels what still runs.
 */
public final class TextGeneration implements AutoCloseable {

  /** Why a sequence ended. */
  public enum Finish {
    /** The model said so. */
    END,
    /** A stop string came. */
    STOP,
    /** It has as many tokens as were asked for, or as the model takes. */
    LENGTH,
    /** Its time was over. */
    DEADLINE
  }

  /**
   * A token and how likely it was.
   *
   * @param text as it reads alone
   * @param logprob the natural logarithm of its probability, before temperature and limits; NaN
   *     unless asked for
   * @param top the likeliest tokens in its place, as many as were asked for; they have none
   *     themselves
   */
  public record Scored(int token, String text, double logprob, List<Scored> top) {}

  /**
   * News of one sequence.
   *
   * @param sequence its number: that of the prompt times n, and that within the n
   * @param text that came; empty where a character or a possible stop string is incomplete
   * @param tokens that make up the text since the last piece that had some; without the token that
   *     ends a sequence, and empty unless log-probabilities were asked for
   * @param finish why the sequence ended; null as long as it runs
   */
  public record Piece(int sequence, String text, List<Scored> tokens, Finish finish) {}

  /** Between the seeds of a prompt's sequences, as {@code Generator} has them. */
  private static final long SEEDS = 0x9E3779B97F4A7C15L;

  /** What the router says; exactly one of the last three is there. */
  private record Event(
      int sequence, GeneratedToken token, GenerationResult result, Throwable failure) {}

  private final Codec codec;
  private final Set<Integer> ends;
  private final boolean scored;
  private final List<Sequence> sequences = new ArrayList<>();
  private final BlockingQueue<Event> events = new LinkedBlockingQueue<>();
  private int running;

  private TextGeneration(Codec codec, TextRequest request) {
    this.codec = codec;
    this.ends = request.config().eosTokenIds();
    this.scored = request.logprobs() != null;
  }

  /**
   * Begins.
   *
   * @throws io.peft4j.serve.RejectedException if too much waits already
   * @throws io.peft4j.serve.UnknownAdapterException if there is no such adapter
   * @throws IllegalArgumentException if a prompt is empty or longer than the model takes
   */
  public static TextGeneration start(ServedModel served, TextRequest request) {
    TextGeneration made = new TextGeneration(served.writer(request.adapter()), request);
    try {
      for (int[] prompt : request.prompts()) {
        for (int i = 0; i < request.n(); i++) {
          made.add(served, request, prompt, i);
        }
      }
      return made;
    } catch (RuntimeException e) {
      made.close();
      throw e;
    }
  }

  private void add(ServedModel served, TextRequest request, int[] prompt, int place) {
    int number = sequences.size();
    GenerationConfig config = request.config();
    GenerationRequest.Builder asked =
        GenerationRequest.builder(prompt)
            .adapter(request.adapter())
            .config(config.with("stop_strings", null).withSeed(config.seed() + SEEDS * place))
            .deadline(request.time())
            .listener(token -> events.add(new Event(number, token, null, null)));
    if (scored) {
      asked.logprobs(request.logprobs());
    }
    Sequence sequence = new Sequence(new GrowingText(codec, config.stopStrings(), prompt));
    sequence.handle = served.router().generate(asked.build());
    sequences.add(sequence);
    running++;
    sequence
        .handle
        .result()
        .whenComplete((result, failure) -> events.add(new Event(number, null, result, failure)));
  }

  /** {@return whether a sequence still runs, so that there is a next piece} */
  public boolean isRunning() {
    return running > 0;
  }

  /** {@return how many tokens have been generated, those that end sequences among them} */
  public int tokens() {
    return sequences.stream().mapToInt(sequence -> sequence.count).sum();
  }

  /**
   * {@return the next piece; empty if none comes in time, or what came completes no text}
   *
   * @throws CompletionException with what made a sequence fail
   */
  public Optional<Piece> next(Duration patience) throws InterruptedException {
    Event event = events.poll(patience.toNanos(), TimeUnit.NANOSECONDS);
    if (event == null) {
      return Optional.empty();
    }
    Sequence sequence = sequences.get(event.sequence());
    if (sequence.ended) {
      return Optional.empty(); // what was under way when a stop string came
    }
    if (event.failure() != null) {
      throw event.failure() instanceof CompletionException e
          ? e
          : new CompletionException(event.failure());
    }
    return event.token() == null
        ? end(event.sequence(), finish(event.result().finish()))
        : add(event.sequence(), event.token());
  }

  private Optional<Piece> add(int number, GeneratedToken event) {
    Sequence sequence = sequences.get(number);
    sequence.count++;
    if (ends.contains(event.token())) {
      return Optional.empty();
    }
    String news = sequence.text.update(sequence.append(event.token()));
    if (scored) {
      sequence.untold.add(scored(event));
    }
    if (sequence.text.stopped()) {
      sequence.handle.cancel();
      return Optional.of(sequence.end(number, news, Finish.STOP)).map(this::ended);
    }
    return news.isEmpty()
        ? Optional.empty()
        : Optional.of(new Piece(number, news, sequence.tell(), null));
  }

  private Optional<Piece> end(int number, Finish finish) {
    return Optional.of(ended(sequences.get(number).end(number, "", finish)));
  }

  private Piece ended(Piece piece) {
    running--;
    return piece;
  }

  private Scored scored(GeneratedToken event) {
    List<Scored> top = new ArrayList<>();
    for (GeneratedToken.Top other : event.top()) {
      top.add(new Scored(other.token(), alone(other.token()), other.logprob(), List.of()));
    }
    return new Scored(event.token(), alone(event.token()), event.logprob(), List.copyOf(top));
  }

  private String alone(int token) {
    return codec.decodeWithSpecialTokens(new int[] {token});
  }

  private static Finish finish(GenerationResult.Finish reason) {
    return switch (reason) {
      case EOS -> Finish.END;
      case STOP -> Finish.STOP;
      case LENGTH, CONTEXT -> Finish.LENGTH;
      case DEADLINE -> Finish.DEADLINE;
      case CANCELLED, OVERRUN -> throw new IllegalStateException("it ended as " + reason);
    };
  }

  /** Cancels what still runs. */
  @Override
  public void close() {
    for (Sequence sequence : sequences) {
      if (!sequence.ended) {
        sequence.handle.cancel();
      }
    }
  }

  /** One sequence so far. */
  private static final class Sequence {
    private final GrowingText text;
    private final List<Scored> untold = new ArrayList<>();
    private GenerationHandle handle;
    private int[] tokens = {};
    private int count;
    private boolean ended;

    Sequence(GrowingText text) {
      this.text = text;
    }

    int[] append(int token) {
      tokens = Arrays.copyOf(tokens, tokens.length + 1);
      tokens[tokens.length - 1] = token;
      return tokens;
    }

    List<Scored> tell() {
      List<Scored> all = List.copyOf(untold);
      untold.clear();
      return all;
    }

    Piece end(int number, String news, Finish finish) {
      ended = true;
      return new Piece(number, news + text.finish(), tell(), finish);
    }
  }
}
