package io.peft4j.adapter.lora;

import com.fasterxml.jackson.databind.node.JsonNodeFactory;
import com.fasterxml.jackson.databind.node.ObjectNode;
import io.peft4j.adapter.method.AdapterConfig;
import io.peft4j.adapter.target.ModuleSelector;
import io.peft4j.adapter.target.NamePatterns;
import io.peft4j.adapter.target.TargetMatcher;
import io.peft4j.adapter.target.Targets;
import io.peft4j.model.module.Embedding;
import io.peft4j.model.module.Linear;
import io.peft4j.model.module.Module;
import java.util.Arrays;
import java.util.Collection;
import java.util.Collections;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.function.UnaryOperator;

/**
 * Low-rank adaptation (Hu et al., 2021): {@code y = W x + scaling · B A x}. Names, defaults and
 * meaning are those of {@code peft.LoraConfig}; {@code adapter_config.json} is read and written as
 * peft does, keys that are not known here included.
 *
 * <p>Immutable; made by a {@link Builder}.
 */
public final class LoraConfig implements AdapterConfig {

  /** What LoRA adapts. */
  public static final Set<Class<? extends Module>> KINDS = Set.of(Linear.class, Embedding.class);

  static final String WEIGHT_TYING = "ensure_weight_tying";

  /** Which biases are trained beside the factors. */
  public enum Bias {
    NONE,
    /** Every bias of the model. */
    ALL,
    /** Those of adapted modules. */
    LORA_ONLY
  }

  private final int r;
  private final double loraAlpha;
  private final double loraDropout;
  private final ModuleSelector targetModules;
  private final ModuleSelector excludeModules;
  private final List<String> modulesToSave;
  private final Bias bias;
  private final List<Integer> layersToTransform;
  private final List<String> layersPattern;
  private final Map<String, Integer> rankPattern;
  private final Map<String, Double> alphaPattern;
  private final boolean useRslora;
  private final boolean useDora;
  private final LoraInit init;
  private final boolean fanInFanOut;
  private final boolean loraBias;
  private final String taskType;
  private final String baseModel;
  private final boolean inferenceMode;
  private final ObjectNode other;

  private LoraConfig(Builder from) {
    r = from.r;
    loraAlpha = from.loraAlpha;
    loraDropout = from.loraDropout;
    targetModules = from.targetModules;
    excludeModules = from.excludeModules;
    modulesToSave = from.modulesToSave == null ? null : List.copyOf(from.modulesToSave);
    bias = from.bias;
    layersToTransform = from.layersToTransform == null ? null : List.copyOf(from.layersToTransform);
    layersPattern = from.layersPattern == null ? null : List.copyOf(from.layersPattern);
    rankPattern = Collections.unmodifiableMap(new LinkedHashMap<>(from.rankPattern));
    alphaPattern = Collections.unmodifiableMap(new LinkedHashMap<>(from.alphaPattern));
    useRslora = from.useRslora;
    useDora = from.useDora;
    init = from.init;
    fanInFanOut = from.fanInFanOut;
    loraBias = from.loraBias;
    taskType = from.taskType;
    baseModel = from.baseModel;
    inferenceMode = from.inferenceMode;
    other = from.other.deepCopy();
    check(r > 0, "r must be positive, found " + r);
    check(
        loraDropout >= 0 && loraDropout < 1,
        "lora_dropout must be in [0, 1), found " + loraDropout);
    check(Double.isFinite(loraAlpha), "lora_alpha must be a number, found " + loraAlpha);
    check(
        !loraBias || (!useDora && (init == LoraInit.DEFAULT || init == LoraInit.RANDOM)),
        "lora_bias goes with init_lora_weights true or false, and not with use_dora");
    rankPattern.forEach((key, rank) -> check(rank > 0, "rank_pattern: " + key + ": " + rank));
    new NamePatterns<>(rankPattern);
    new NamePatterns<>(alphaPattern);
    targets(); // which checks them
  }

  /**
   * {@return whether what is trained of a token embedding acts in the head that shares its table
   * too} As in peft, this is so where the embedding or the head is called {@code embed_tokens} or
   * {@code lm_head} in {@code target_modules} or {@code modules_to_save}, and is without effect
   * elsewhere.
   */
  public boolean ensureWeightTying() {
    return other.path(WEIGHT_TYING).asBoolean();
  }

  @Override
  public Targets targets() {
    return Targets.builder()
        .targetModules(targetModules)
        .excludeModules(excludeModules)
        .modulesToSave(modulesToSave)
        .layersToTransform(layersToTransform)
        .layersPattern(layersPattern)
        .taskType(taskType)
        .build();
  }

  private static void check(boolean condition, String message) {
    if (!condition) {
      throw new IllegalArgumentException(message);
    }
  }

  /** {@return whether it adds {@code s · B A x} to linear layers' outputs and does nothing else} */
  public boolean isPlain() {
    return !useDora && !loraBias && bias == Bias.NONE && !init.takesFromBase();
  }

  @Override
  public Map<String, Object> settings(String module) {
    Map<String, Object> settings = new LinkedHashMap<>();
    settings.put("the rank", rankOf(module));
    settings.put("the scaling", scalingOf(module));
    return settings;
  }

  @Override
  public LoraConfig withModulesToSave(List<String> modules) {
    return toBuilder().modulesToSave(modules).build();
  }

  @Override
  public LoraConfig inAnyOrder(Collection<String> modules, UnaryOperator<String> onDisk) {
    return toBuilder()
        .rankPattern(NamePatterns.inAnyOrder(rankPattern, modules, onDisk))
        .alphaPattern(NamePatterns.inAnyOrder(alphaPattern, modules, onDisk))
        .build();
  }

  /** LoftQ leaves the base as it was, so there is nothing that loading would have to repeat. */
  @Override
  public LoraConfig built() {
    return init == LoraInit.LOFTQ ? toBuilder().init(LoraInit.DEFAULT).build() : this;
  }

  /**
   * {@return whether a linear layer of that name, its parts joined by dots, is targeted and not
   * excluded} {@code all-linear} includes the output head here, since a name does not tell it.
   *
   * @throws IllegalStateException if there are no {@code target_modules}
   */
  public boolean adapts(String linear) {
    if (targetModules == null) {
      throw new IllegalStateException("target_modules is missing");
    }
    return TargetMatcher.targetsLinear(targets(), linear);
  }

  /** {@return the rank for a module of that name: by {@code rankPattern}, else r} */
  public int rankOf(String module) {
    return new NamePatterns<>(rankPattern).of(module, r);
  }

  /** {@return the factor on the update of a module of that name} */
  public double scalingOf(String module) {
    return scaling(rankOf(module), new NamePatterns<>(alphaPattern).of(module, loraAlpha));
  }

  double scaling(int rank, double alpha) {
    return alpha / (useRslora ? Math.sqrt(rank) : rank);
  }

  /** {@return whether factors that two modules share change their tables alike} */
  public boolean mergesTied(Linear head, Embedding words) {
    return !useDora && scalingOf(head.name()) == scalingOf(words.name());
  }

  /** {@return a builder with peft's defaults} */
  public static Builder builder() {
    return new Builder();
  }

  /** {@return a builder that starts from this config} */
  public Builder toBuilder() {
    return new Builder(this);
  }

  /** {@return the keys that are read from no component, as they were in the file} */
  public ObjectNode other() {
    return other.deepCopy();
  }

  @Override
  public String peftType() {
    return "LORA";
  }

  @Override
  public ObjectNode toJson() {
    return LoraConfigJson.write(this);
  }

  @Override
  public LoraConfig withBaseModel(String nameOrPath) {
    return toBuilder().baseModel(nameOrPath).build();
  }

  /**
   * Reads the document of an {@code adapter_config.json}.
   *
   * @throws IllegalArgumentException if a value is wrong, or the document asks for a variant of
   *     LoRA that is not supported; the message names the key
   */
  public static LoraConfig ofJson(ObjectNode json) {
    return LoraConfigJson.read(json);
  }

  /** {@return rank of the update} */
  public int r() {
    return r;
  }

  /** {@return numerator of the scaling: {@code alpha / r}, or {@code alpha / √r} with rsLoRA} */
  public double loraAlpha() {
    return loraAlpha;
  }

  /** {@return probability with which elements of x are dropped before A} */
  public double loraDropout() {
    return loraDropout;
  }

  /** {@return what is adapted; null takes the default of the model's family} */
  public ModuleSelector targetModules() {
    return targetModules;
  }

  /** {@return what is not, although targeted; may be null} */
  public ModuleSelector excludeModules() {
    return excludeModules;
  }

  /** {@return modules trained and saved in full; null for none} */
  public List<String> modulesToSave() {
    return modulesToSave;
  }

  /** {@return which biases are trained} */
  public Bias bias() {
    return bias;
  }

  /** {@return numbers of the layers to adapt; null for all} */
  public List<Integer> layersToTransform() {
    return layersToTransform;
  }

  /** {@return names of the lists that the layers are numbered in; null for any} */
  public List<String> layersPattern() {
    return layersPattern;
  }

  /**
   * {@return ranks for modules whose name's end matches the key, a regular expression; the first
   * that matches counts}
   */
  public Map<String, Integer> rankPattern() {
    return rankPattern;
  }

  /** {@return alphas, likewise} */
  public Map<String, Double> alphaPattern() {
    return alphaPattern;
  }

  /** {@return rank-stabilized scaling (Kalajdzievski, 2023)} */
  public boolean useRslora() {
    return useRslora;
  }

  /** {@return weight-decomposed adaptation (Liu et al., 2024)} */
  public boolean useDora() {
    return useDora;
  }

  /** {@return how A and B start} */
  public LoraInit init() {
    return init;
  }

  /**
   * {@return whether the base stores weights [in, out]; kept for peft, since GPT-2's weights are
   * turned when loaded}
   */
  public boolean fanInFanOut() {
    return fanInFanOut;
  }

  /** {@return whether B has a bias} */
  public boolean loraBias() {
    return loraBias;
  }

  /** {@return peft's, such as {@code SEQ_CLS}; may be null} */
  public String taskType() {
    return taskType;
  }

  /** {@return {@code base_model_name_or_path}; may be null} */
  public String baseModel() {
    return baseModel;
  }

  /** {@return as in the file; says nothing here} */
  public boolean inferenceMode() {
    return inferenceMode;
  }

  private List<Object> values() {
    return Arrays.asList(
        r,
        loraAlpha,
        loraDropout,
        targetModules,
        excludeModules,
        modulesToSave,
        bias,
        layersToTransform,
        layersPattern,
        rankPattern,
        alphaPattern,
        useRslora,
        useDora,
        init,
        fanInFanOut,
        loraBias,
        taskType,
        baseModel,
        inferenceMode,
        other);
  }

  @Override
  public boolean equals(Object object) {
    return object instanceof LoraConfig config && values().equals(config.values());
  }

  @Override
  public int hashCode() {
    return values().hashCode();
  }

  @Override
  public String toString() {
    return toJson().toString();
  }

  /** Builds a {@link LoraConfig}; each method sets the component of its name. */
  public static final class Builder {
    private int r = 8;
    private double loraAlpha = 8;
    private double loraDropout;
    private ModuleSelector targetModules;
    private ModuleSelector excludeModules;
    private List<String> modulesToSave;
    private Bias bias = Bias.NONE;
    private List<Integer> layersToTransform;
    private List<String> layersPattern;
    private Map<String, Integer> rankPattern = Map.of();
    private Map<String, Double> alphaPattern = Map.of();
    private boolean useRslora;
    private boolean useDora;
    private LoraInit init = LoraInit.DEFAULT;
    private boolean fanInFanOut;
    private boolean loraBias;
    private String taskType;
    private String baseModel;
    private boolean inferenceMode;
    private ObjectNode other = JsonNodeFactory.instance.objectNode();

    private Builder() {}

    private Builder(LoraConfig from) {
      r = from.r;
      loraAlpha = from.loraAlpha;
      loraDropout = from.loraDropout;
      targetModules = from.targetModules;
      excludeModules = from.excludeModules;
      modulesToSave = from.modulesToSave;
      bias = from.bias;
      layersToTransform = from.layersToTransform;
      layersPattern = from.layersPattern;
      rankPattern = from.rankPattern;
      alphaPattern = from.alphaPattern;
      useRslora = from.useRslora;
      useDora = from.useDora;
      init = from.init;
      fanInFanOut = from.fanInFanOut;
      loraBias = from.loraBias;
      taskType = from.taskType;
      baseModel = from.baseModel;
      inferenceMode = from.inferenceMode;
      other = from.other;
    }

    public Builder r(int value) {
      r = value;
      return this;
    }

    public Builder loraAlpha(double value) {
      loraAlpha = value;
      return this;
    }

    public Builder loraDropout(double value) {
      loraDropout = value;
      return this;
    }

    public Builder targetModules(String... names) {
      return targetModules(ModuleSelector.names(names));
    }

    public Builder targetModules(ModuleSelector value) {
      targetModules = value;
      return this;
    }

    public Builder excludeModules(ModuleSelector value) {
      excludeModules = value;
      return this;
    }

    public Builder modulesToSave(List<String> value) {
      modulesToSave = value;
      return this;
    }

    public Builder bias(Bias value) {
      bias = value;
      return this;
    }

    public Builder layersToTransform(List<Integer> value) {
      layersToTransform = value;
      return this;
    }

    public Builder layersPattern(List<String> value) {
      layersPattern = value;
      return this;
    }

    public Builder rankPattern(Map<String, Integer> value) {
      rankPattern = value;
      return this;
    }

    public Builder alphaPattern(Map<String, Double> value) {
      alphaPattern = value;
      return this;
    }

    public Builder useRslora(boolean value) {
      useRslora = value;
      return this;
    }

    public Builder useDora(boolean value) {
      useDora = value;
      return this;
    }

    public Builder init(LoraInit value) {
      init = value;
      return this;
    }

    public Builder fanInFanOut(boolean value) {
      fanInFanOut = value;
      return this;
    }

    public Builder loraBias(boolean value) {
      loraBias = value;
      return this;
    }

    public Builder taskType(String value) {
      taskType = value;
      return this;
    }

    public Builder baseModel(String value) {
      baseModel = value;
      return this;
    }

    /** See {@link LoraConfig#ensureWeightTying}. */
    public Builder ensureWeightTying(boolean value) {
      other = other.deepCopy().put(WEIGHT_TYING, value);
      return this;
    }

    public Builder inferenceMode(boolean value) {
      inferenceMode = value;
      return this;
    }

    Builder other(ObjectNode value) {
      other = value;
      return this;
    }

    /**
     * @throws IllegalArgumentException if values contradict each other or are out of range, as in
     *     peft
     */
    public LoraConfig build() {
      return new LoraConfig(this);
    }
  }
}
