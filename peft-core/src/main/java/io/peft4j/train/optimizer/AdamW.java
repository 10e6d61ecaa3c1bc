package io.peft4j.train.optimizer;

import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.NDManager;
import io.peft4j.io.Services;
import io.peft4j.torch.HostTensors;
import io.peft4j.torch.TrainingOps;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;

/**
 * Adam with decoupled weight decay (Loshchilov and Hutter, 2019), in float32, in place. Its state
 * is two moments a parameter, as float32 or in the form of a {@link MomentStore}.
 */
final class AdamW implements Optimizer {

  private final OptimizerArguments arguments;
  private final Map<String, NDArray> parameters;
  private final NDManager manager;
  private final MomentStore.Provider provider;
  private final Map<String, PlacedMoments> moments = new LinkedHashMap<>();

  private AdamW(Map<String, NDArray> parameters, NDManager manager, OptimizerArguments arguments) {
    this.arguments = arguments;
    this.parameters = parameters;
    this.manager = manager;
    this.provider = Provider.stores(arguments.optim());
    parameters.forEach((name, parameter) -> moments.put(name, zeros(parameter)));
  }

  private PlacedMoments zeros(NDArray parameter) {
    boolean pages = arguments.optim().startsWith(Provider.PAGED);
    return pages && parameter.size() >= PlacedMoments.FEWEST
        ? PlacedMoments.paged(manager, bytes(parameter), memory -> store(parameter, memory))
        : new PlacedMoments.Staying(store(parameter, StateMemory.of(manager)));
  }

  private MomentStore store(NDArray parameter, StateMemory memory) {
    return serves(parameter)
        ? provider.create(manager, memory, parameter.size())
        : FloatMoments.zeros(memory, parameter.getShape());
  }

  private boolean serves(NDArray parameter) {
    return provider != null && provider.serves(parameter.size());
  }

  private long bytes(NDArray parameter) {
    return serves(parameter)
        ? provider.bytes(parameter.size())
        : FloatMoments.bytes(parameter.size());
  }

  @Override
  public void step(Step step, Map<String, NDArray> gradients) {
    AdamStep adam =
        new AdamStep(
            step.learningRate(),
            arguments.adamBeta1(),
            arguments.adamBeta2(),
            arguments.adamEpsilon(),
            step.weightDecay(),
            step.number(),
            step.gradientScale());
    try (NDArray settings = HostTensors.numbers(manager, adam.hyper())) {
      oneByOne(together(gradients, settings), gradients, adam, settings);
    }
  }

  /**
   * Updates in one call what has float32 moments at hand.
   *
   * @return the names of the others
   */
  private List<String> together(Map<String, NDArray> gradients, NDArray settings) {
    List<String> others = new ArrayList<>();
    List<NDArray> p = new ArrayList<>();
    List<NDArray> g = new ArrayList<>();
    List<NDArray> m = new ArrayList<>();
    List<NDArray> v = new ArrayList<>();
    gradients.forEach(
        (name, gradient) -> {
          if (moments.get(name) instanceof PlacedMoments.Staying staying
              && staying.kept() instanceof FloatMoments floats) {
            p.add(parameters.get(name));
            g.add(gradient);
            m.add(floats.first());
            v.add(floats.second());
          } else {
            others.add(name);
          }
        });
    if (!p.isEmpty()) {
      TrainingOps.adamw(p, g, m, v, settings);
    }
    return others;
  }

  private void oneByOne(
      List<String> names, Map<String, NDArray> gradients, AdamStep adam, NDArray settings) {
    for (int i = 0; i < names.size(); i++) {
      if (i + 1 < names.size()) {
        moments.get(names.get(i + 1)).prefetch();
      }
      PlacedMoments placed = moments.get(names.get(i));
      NDArray parameter = parameters.get(names.get(i));
      update(parameter, gradients.get(names.get(i)), placed.fetch(), adam, settings);
      placed.putBack();
    }
  }

  /** One parameter at a time, so that the moments of one only exist as float32. */
  private void update(
      NDArray parameter, NDArray gradient, MomentStore store, AdamStep adam, NDArray settings) {
    if (store.step(parameter, gradient, adam)) {
      return;
    }
    try (NDManager scope = manager.newSubManager()) {
      NDArray first = scope.zeros(parameter.getShape());
      NDArray second = scope.zeros(parameter.getShape());
      store.read(first, second);
      TrainingOps.adamw(
          List.of(parameter), List.of(gradient), List.of(first), List.of(second), settings);
      store.write(first, second);
    }
  }

  /** {@return what the state takes, of paged state what is there at a time} */
  @Override
  public long stateBytes() {
    long staying = 0;
    long largest = 0;
    for (Map.Entry<String, PlacedMoments> entry : moments.entrySet()) {
      long bytes = bytes(parameters.get(entry.getKey()));
      if (entry.getValue() instanceof PlacedMoments.Staying) {
        staying += bytes;
      } else {
        largest = Math.max(largest, bytes);
      }
    }
    return staying + 2 * largest;
  }

  @Override
  public Map<String, NDArray> state() {
    Map<String, NDArray> state = new LinkedHashMap<>();
    moments.forEach(
        (name, placed) ->
            placed.kept().state().forEach((part, tensor) -> state.put(name + "." + part, tensor)));
    return state;
  }

  /** Makes it, with the forms of state that are on the class path. */
  static final class Provider implements Optimizer.Provider {

    private static final String PLAIN = "adamw_torch";
    private static final String PAGED = "paged_";
    private static final String PAGED_FLOAT = PAGED + "adamw_32bit";

    /** {@code adamw_torch}, or a form in which state is kept, each also with {@code paged_}. */
    @Override
    public List<String> names() {
      List<String> names = new ArrayList<>(List.of(PLAIN, PAGED_FLOAT));
      for (MomentStore.Provider provider : Services.load(MomentStore.Provider.class)) {
        names.addAll(List.of(provider.optim(), PAGED + provider.optim()));
      }
      return names;
    }

    /** {@return what keeps the state; null for floats} */
    private static MomentStore.Provider stores(String optim) {
      for (MomentStore.Provider provider : Services.load(MomentStore.Provider.class)) {
        if (provider.optim().equals(unpaged(optim))) {
          return provider;
        }
      }
      return null;
    }

    /** {@return the optimizer of the same steps whose state is not paged} */
    private static String unpaged(String optim) {
      if (optim.equals(PAGED_FLOAT)) {
        return PLAIN;
      }
      return optim.startsWith(PAGED) ? optim.substring(PAGED.length()) : optim;
    }

    @Override
    public Optimizer create(
        Map<String, NDArray> parameters, NDManager manager, OptimizerArguments arguments) {
      return new AdamW(parameters, manager, arguments);
    }

    /**
     * Whether state is paged matters neither to the weights nor to a checkpoint. Float32 state has
     * no name there, as in the first checkpoints.
     */
    @Override
    public Map<String, String> plan(OptimizerArguments arguments) {
      Map<String, String> plan = new TreeMap<>();
      if (!unpaged(arguments.optim()).equals(PLAIN)) {
        plan.put("optim", unpaged(arguments.optim()));
      }
      plan.put("adam_beta1", Double.toString(arguments.adamBeta1()));
      plan.put("adam_beta2", Double.toString(arguments.adamBeta2()));
      plan.put("adam_epsilon", Double.toString(arguments.adamEpsilon()));
      return plan;
    }
  }
}
