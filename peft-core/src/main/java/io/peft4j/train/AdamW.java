package io.peft4j.train;

import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.NDManager;
import io.peft4j.torch.Autograd;
import io.peft4j.torch.HostTensors;
import io.peft4j.torch.TrainingOps;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.ServiceLoader;

/**
 * Adam with decoupled weight decay (Loshchilov and Hutter, 2019), in float32, in place. Owns its
 * state, two moments a parameter, as float32 or in the form of a {@link MomentStore}.
 */
final class AdamW implements AutoCloseable {

  private static final String PAGED = "paged_";
  private static final String PAGED_FLOAT = PAGED + "adamw_32bit";

  private final TrainingArguments arguments;
  private final Map<String, NDArray> parameters;
  private final List<ParameterGroup> groups;
  private final NDManager manager;
  private final Map<String, NDArray> firstMoments = new LinkedHashMap<>();
  private final Map<String, NDArray> secondMoments = new LinkedHashMap<>();
  private final Map<String, MomentStore> stores = new LinkedHashMap<>();
  private final Map<String, PagedMoments> paged = new LinkedHashMap<>();
  private final MomentStore.Provider provider;
  private int steps;

  /**
   * @param parameters what to train, by name; float32 with gradients
   * @throws IllegalArgumentException if nothing on the class path provides the optimizer asked for
   */
  AdamW(Map<String, NDArray> parameters, NDManager parent, TrainingArguments arguments) {
    this.arguments = arguments;
    this.parameters = parameters;
    this.provider = provider(arguments.optim());
    boolean pages = arguments.optim().startsWith(PAGED);
    this.groups = ParameterGroup.of(parameters, arguments);
    this.manager = parent.newSubManager();
    parameters.forEach(
        (name, parameter) -> {
          if (pages && parameter.size() >= PagedMoments.FEWEST) {
            paged.put(
                name,
                PagedMoments.create(
                    manager, bytes(parameter.size()), memory -> store(parameter, memory)));
          } else if (serves(parameter.size())) {
            stores.put(name, store(parameter, StateMemory.of(manager)));
          } else {
            firstMoments.put(name, manager.zeros(parameter.getShape()));
            secondMoments.put(name, manager.zeros(parameter.getShape()));
          }
        });
  }

  private MomentStore store(NDArray parameter, StateMemory memory) {
    return serves(parameter.size())
        ? provider.create(manager, memory, parameter.size())
        : FloatMoments.zeros(memory, parameter.getShape());
  }

  private boolean serves(long elements) {
    return provider != null && provider.serves(elements);
  }

  private long bytes(long elements) {
    return serves(elements) ? provider.bytes(elements) : FloatMoments.bytes(elements);
  }

  /**
   * {@return the optimizer of the same steps whose state is not paged} It does not matter to the
   * weights, nor to a checkpoint.
   */
  static String unpaged(String optim) {
    if (optim.equals(PAGED_FLOAT)) {
      return TrainingArguments.ADAMW;
    }
    return optim.startsWith(PAGED) ? optim.substring(PAGED.length()) : optim;
  }

  /**
   * {@return what keeps the state; null for AdamW's own}
   *
   * @throws IllegalArgumentException if nothing on the class path is of that name
   */
  static MomentStore.Provider provider(String optim) {
    if (optim.equals(TrainingArguments.ADAMW) || optim.equals(PAGED_FLOAT)) {
      return null;
    }
    List<String> known = new ArrayList<>(List.of(TrainingArguments.ADAMW, PAGED_FLOAT));
    for (MomentStore.Provider provider : ServiceLoader.load(MomentStore.Provider.class)) {
      List<String> names = List.of(provider.optim(), PAGED + provider.optim());
      if (names.contains(optim)) {
        return provider;
      }
      known.addAll(names);
    }
    throw new IllegalArgumentException("optim: expected one of " + known + ", found " + optim);
  }

  /** {@return the length of all gradients together (the L2 norm)} */
  double gradientNorm() {
    try (NDManager scope = manager.newSubManager();
        Autograd.Mode paused = Autograd.pause()) {
      List<NDArray> gradients = new ArrayList<>();
      for (NDArray parameter : parameters.values()) {
        NDArray gradient = gradient(parameter, scope);
        if (gradient != null) {
          gradients.add(gradient);
        }
      }
      return gradients.isEmpty() ? 0 : TrainingOps.globalNorm(gradients).getDouble();
    }
  }

  private static NDArray gradient(NDArray parameter, NDManager scope) {
    NDArray gradient = Autograd.gradient(parameter);
    if (gradient != null) {
      gradient.attach(scope);
    }
    return gradient;
  }

  /**
   * One update.
   *
   * @param gradientScale factor on the gradients, below 1 where they are clipped
   */
  void step(double learningRate, double gradientScale) {
    steps++;
    try (Autograd.Mode paused = Autograd.pause()) {
      for (ParameterGroup group : groups) {
        update(group, learningRate * group.rateFactor(), gradientScale);
      }
    }
  }

  private void update(ParameterGroup group, double learningRate, double gradientScale) {
    List<NDArray> p = new ArrayList<>();
    List<NDArray> g = new ArrayList<>();
    List<NDArray> m = new ArrayList<>();
    List<NDArray> v = new ArrayList<>();
    AdamStep step =
        new AdamStep(
            learningRate,
            arguments.adamBeta1(),
            arguments.adamBeta2(),
            arguments.adamEpsilon(),
            group.weightDecay(),
            steps,
            gradientScale);
    Map<String, NDArray> ofPaged = new LinkedHashMap<>();
    try (NDManager scope = manager.newSubManager()) {
      NDArray settings = HostTensors.numbers(scope, step.hyper());
      for (String name : group.names()) {
        NDArray parameter = parameters.get(name);
        NDArray gradient = gradient(parameter, scope);
        if (gradient != null && paged.containsKey(name)) {
          ofPaged.put(name, gradient);
        } else if (gradient != null && stores.containsKey(name)) {
          update(parameter, gradient, stores.get(name), step, settings);
        } else if (gradient != null) {
          p.add(parameter);
          g.add(gradient);
          m.add(firstMoments.get(name));
          v.add(secondMoments.get(name));
        }
      }
      if (!p.isEmpty()) {
        TrainingOps.adamw(p, g, m, v, settings);
      }
      List<String> names = List.copyOf(ofPaged.keySet());
      for (int i = 0; i < names.size(); i++) {
        if (i + 1 < names.size()) {
          paged.get(names.get(i + 1)).prefetch();
        }
        String name = names.get(i);
        PagedMoments moments = paged.get(name);
        update(parameters.get(name), ofPaged.get(name), moments.fetch(), step, settings);
        moments.putBack();
      }
    }
  }

  /** One parameter at a time, so that the moments of one only exist as float32. */
  private void update(
      NDArray parameter, NDArray gradient, MomentStore store, AdamStep step, NDArray settings) {
    if (store.step(parameter, gradient, step)) {
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

  void clearGradients() {
    parameters.values().forEach(Autograd::clearGradient);
  }

  /** {@return what the state takes, of paged state what is there at a time} */
  long stateBytes() {
    long staying =
        parameters.entrySet().stream()
            .filter(entry -> !paged.containsKey(entry.getKey()))
            .mapToLong(entry -> bytes(entry.getValue().size()))
            .sum();
    long largest =
        paged.keySet().stream().mapToLong(n -> bytes(parameters.get(n).size())).max().orElse(0);
    return staying + 2 * largest;
  }

  int steps() {
    return steps;
  }

  /** {@return the state by name, to write to a file and to read back into} */
  Map<String, MomentStore.StateTensor> state() {
    Map<String, MomentStore.StateTensor> state = new LinkedHashMap<>();
    firstMoments.forEach(
        (name, moment) -> state.put(name + "." + FloatMoments.FIRST, FloatMoments.tensor(moment)));
    secondMoments.forEach(
        (name, moment) -> state.put(name + "." + FloatMoments.SECOND, FloatMoments.tensor(moment)));
    Map<String, MomentStore> others = new LinkedHashMap<>(stores);
    paged.forEach((name, moments) -> others.put(name, moments.kept()));
    others.forEach(
        (name, store) ->
            store.state().forEach((part, tensor) -> state.put(name + "." + part, tensor)));
    return state;
  }

  /** Goes on after {@code stepsDone} updates, the {@link #state} having been read. */
  void resume(int stepsDone) {
    steps = stepsDone;
  }

  @Override
  public void close() {
    manager.close();
  }
}
