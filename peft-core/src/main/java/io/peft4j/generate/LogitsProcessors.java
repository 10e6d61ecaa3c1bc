package io.peft4j.generate;

import com.fasterxml.jackson.databind.JsonNode;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;

/** The processors that a config asks for, in the order of transformers' {@code generate}. */
final class LogitsProcessors {

  private final GenerationConfig config;
  private final int[] prompt;
  private final int limit;
  private final int vocabulary;
  private final int[] ends;
  private final List<LogitsProcessor> list = new ArrayList<>();

  private LogitsProcessors(GenerationConfig config, int[] prompt, int limit, int vocabulary) {
    this.config = config;
    this.prompt = prompt;
    this.limit = limit;
    this.vocabulary = vocabulary;
    this.ends =
        config.eosTokenIds().stream()
            .mapToInt(Integer::intValue)
            .filter(id -> id >= 0 && id < vocabulary)
            .toArray();
  }

  /**
   * @param limit tokens of a full sequence, prompt included
   * @param vocabulary how many scores there are
   * @throws IllegalArgumentException if a token that is to be forced or biased is not among them
   */
  static List<LogitsProcessor> of(
      GenerationConfig config, int[] prompt, int limit, int vocabulary) {
    LogitsProcessors processors = new LogitsProcessors(config, prompt, limit, vocabulary);
    processors.addRepetition();
    processors.addEnds();
    processors.addSuppression();
    if (config.doSample()) {
      processors.addLimits();
    }
    if (config.flag("renormalize_logits")) {
      processors.list.add((tokens, scores) -> Scores.logSoftmax(scores));
    }
    return processors.list;
  }

  private void addRepetition() {
    if (config.has("sequence_bias")) {
      Map<List<Integer>, Float> biases = new LinkedHashMap<>();
      for (JsonNode pair : config.get("sequence_bias")) {
        biases.put(known("sequence_bias", pair.get(0)), pair.get(1).floatValue());
      }
      list.add(Repetition.bias(biases));
    }
    double encoderPenalty = config.number("encoder_repetition_penalty", 1);
    if (encoderPenalty != 1) {
      LogitsProcessor penalty = Repetition.penalty((float) (1 / encoderPenalty));
      list.add((tokens, scores) -> penalty.process(prompt, scores));
    }
    double penalty = config.number("repetition_penalty", 1);
    if (penalty != 1) {
      list.add(Repetition.penalty((float) penalty));
    }
    int size = config.integer("no_repeat_ngram_size", 0);
    if (size > 0) {
      list.add((tokens, scores) -> Repetition.banGrams(size, tokens, tokens, scores));
    }
    int encoderSize = config.integer("encoder_no_repeat_ngram_size", 0);
    if (encoderSize > 0) {
      list.add((tokens, scores) -> Repetition.banGrams(encoderSize, prompt, tokens, scores));
    }
    if (config.has("bad_words_ids")) {
      Map<List<Integer>, Float> biases = new LinkedHashMap<>();
      for (JsonNode word : config.get("bad_words_ids")) {
        List<Integer> ids = known("bad_words_ids", word);
        if (ids.size() > 1 || !config.eosTokenIds().contains(ids.get(0))) {
          biases.put(ids, Float.NEGATIVE_INFINITY);
        }
      }
      list.add(Repetition.bias(biases));
    }
  }

  /** When a sequence may not end yet, how it begins and how it is to end. */
  private void addEnds() {
    int least =
        config.has("min_new_tokens")
            ? prompt.length + config.integer("min_new_tokens", 0)
            : config.integer("min_length", 0);
    list.add(
        (tokens, scores) -> {
          if (tokens.length < least) {
            ruleOut(ends, scores);
          }
        });
    if (config.has("forced_bos_token_id")) {
      int[] first = forced("forced_bos_token_id");
      list.add(
          (tokens, scores) -> {
            if (tokens.length == 1) {
              force(first, scores);
            }
          });
    }
    if (config.has("forced_eos_token_id")) {
      int[] last = forced("forced_eos_token_id");
      list.add(
          (tokens, scores) -> {
            if (tokens.length == limit - 1) {
              force(last, scores);
            }
          });
    }
    if (config.flag("remove_invalid_values")) {
      list.add((tokens, scores) -> Scores.makeFinite(scores));
    }
    if (config.has("exponential_decay_length_penalty")) {
      list.add(decay(config.get("exponential_decay_length_penalty")));
    }
  }

  private LogitsProcessor decay(JsonNode pair) {
    if (ends.length == 0) {
      throw new IllegalArgumentException(
          "exponential_decay_length_penalty: expected an eos_token_id of the vocabulary, whose"
              + " score it raises, found none");
    }
    int start = prompt.length + pair.get(0).intValue();
    double factor = pair.get(1).doubleValue();
    return (tokens, scores) -> {
      if (tokens.length > start) {
        float share = (float) (Math.pow(factor, tokens.length - start) - 1);
        for (int end : ends) {
          if (scores[end] != Float.NEGATIVE_INFINITY) {
            scores[end] += Math.abs(scores[end]) * share;
          }
        }
      }
    };
  }

  private void addSuppression() {
    int[] always = array(config.ids("suppress_tokens"));
    if (always.length > 0) {
      list.add((tokens, scores) -> ruleOut(always, scores));
    }
    int[] atFirst = array(config.ids("begin_suppress_tokens"));
    if (atFirst.length > 0) {
      boolean later = prompt.length <= 1 && config.has("forced_bos_token_id");
      int begin = later ? prompt.length + 1 : prompt.length;
      list.add(
          (tokens, scores) -> {
            if (tokens.length == begin) {
              ruleOut(atFirst, scores);
            }
          });
    }
  }

  private void addLimits() {
    float temperature = (float) config.number("temperature", 1);
    if (temperature != 1) {
      list.add(SamplingLimits.temperature(temperature));
    }
    if (config.has("top_h")) {
      list.add(SamplingLimits.topH(config.number("top_h", 1)));
    }
    int k = config.integer("top_k", 50);
    if (k > 0) {
      list.add(SamplingLimits.topK(k));
    }
    double p = config.number("top_p", 1);
    if (p < 1) {
      list.add(SamplingLimits.topP(p));
    }
    if (config.has("min_p")) {
      list.add(SamplingLimits.minP(config.number("min_p", 0)));
    }
    double typical = config.number("typical_p", 1);
    if (typical < 1) {
      list.add(SamplingLimits.typical(typical));
    }
    double epsilon = config.number("epsilon_cutoff", 0);
    if (epsilon > 0) {
      list.add(SamplingLimits.epsilon(epsilon));
    }
    double eta = config.number("eta_cutoff", 0);
    if (eta > 0) {
      list.add(SamplingLimits.eta(eta));
    }
  }

  private static int[] array(Set<Integer> ids) {
    return ids.stream().mapToInt(Integer::intValue).toArray();
  }

  private int[] forced(String key) {
    Set<Integer> ids = config.ids(key);
    ids.forEach(id -> checkKnown(key, id));
    if (config.ids("suppress_tokens").containsAll(ids)) {
      throw new IllegalArgumentException(
          key + ": expected a token that suppress_tokens does not rule out, found " + ids);
    }
    return array(ids);
  }

  private List<Integer> known(String key, JsonNode ids) {
    List<Integer> values = new ArrayList<>();
    for (JsonNode id : ids) {
      checkKnown(key, id.intValue());
      values.add(id.intValue());
    }
    return values;
  }

  private void checkKnown(String key, int id) {
    if (id >= vocabulary) {
      throw new IllegalArgumentException(
          key + ": expected token numbers below the vocabulary's " + vocabulary + ", found " + id);
    }
  }

  /** Tokens that the model does not have are out anyway. */
  private static void ruleOut(int[] ids, float[] scores) {
    for (int id : ids) {
      if (id < scores.length) {
        scores[id] = Float.NEGATIVE_INFINITY;
      }
    }
  }

  private static void force(int[] ids, float[] scores) {
    Arrays.fill(scores, Float.NEGATIVE_INFINITY);
    for (int id : ids) {
      scores[id] = 0;
    }
  }
}
