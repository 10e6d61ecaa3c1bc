package io.peft4j.djl;

import ai.djl.Device;
import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.NDList;
import ai.djl.ndarray.NDManager;
import ai.djl.ndarray.types.DataType;
import ai.djl.ndarray.types.Shape;
import ai.djl.nn.AbstractBlock;
import ai.djl.nn.Parameter;
import ai.djl.nn.core.Linear;
import ai.djl.nn.norm.Dropout;
import ai.djl.training.ParameterStore;
import ai.djl.training.initializer.Initializer;
import ai.djl.util.PairList;
import io.peft4j.adapter.lora.LoraInit;

/**
 * A DJL {@link Linear} with a low-rank update beside it (Hu et al., 2021): {@code y = x Wᵀ + b +
 * scaling · dropout(x) Aᵀ Bᵀ}. The inner block is frozen; its parameters and {@code lora_A} [r, in]
 * and {@code lora_B} [out, r] are ordinary DJL parameters, which DJL's trainer, optimizers and
 * {@code saveParameters} treat as such.
 */
public final class LoraLinear extends AbstractBlock {

  private static final byte VERSION = 1;

  private final Linear linear;
  private final int rank;
  private final double scaling;
  private final float dropout;
  private final Parameter a;
  private final Parameter b;

  /**
   * @param linear is frozen; it may have its arrays already, or get them when this is initialized
   * @param scaling factor on the update
   * @param dropout probability with which elements of x are dropped before A, in training
   * @param init how A and B start
   * @throws IllegalArgumentException if {@code init} takes the factors from the weight (PiSSA,
   *     OLoRA), which would have to change it
   */
  public LoraLinear(Linear linear, int rank, double scaling, double dropout, LoraInit init) {
    super(VERSION);
    if (init == LoraInit.PISSA || init == LoraInit.OLORA) {
      throw new IllegalArgumentException(
          "init_lora_weights " + init + " changes the base's weight; a DJL block keeps its own");
    }
    if (init.onlyTrained()) {
      throw new IllegalArgumentException("init_lora_weights " + init + " is not for new adapters");
    }
    this.linear = addChildBlock("Linear", linear);
    this.rank = rank;
    this.scaling = scaling;
    this.dropout = (float) dropout;
    linear.freezeParameters(true);
    a = factor("lora_A", initialA(init));
    b = factor("lora_B", init == LoraInit.RANDOM ? LoraLinear::uniform : Initializer.ZEROS);
    if (linear.isInitialized()) {
      NDArray weight = linear.getDirectParameters().get("weight").getArray();
      initialize(weight.getManager(), weight.getDataType(), new Shape(1, weight.getShape().get(1)));
    }
  }

  /** Of a type that the initializers of a training configuration pass by: B must start at zero. */
  private Parameter factor(String name, Initializer initializer) {
    return addParameter(
        Parameter.builder()
            .setName(name)
            .setType(Parameter.Type.OTHER)
            .optInitializer(initializer)
            .build());
  }

  private static Initializer initialA(LoraInit init) {
    if (init == LoraInit.GAUSSIAN) {
      return (manager, shape, type) ->
          manager.randomNormal(0, 1f / shape.get(0), shape, type, manager.getDevice());
    }
    return LoraLinear::uniform;
  }

  /** Uniform in ±1/√in, as torch initializes linear layers. */
  private static NDArray uniform(NDManager manager, Shape shape, DataType type) {
    float bound = (float) (1 / Math.sqrt(shape.get(1)));
    return manager.randomUniform(-bound, bound, shape, type);
  }

  @Override
  protected void prepare(Shape[] inputShapes) {
    Shape out = linear.getOutputShapes(inputShapes)[0];
    setShape(a, rank, inputShapes[0].get(inputShapes[0].dimension() - 1));
    setShape(b, out.get(out.dimension() - 1), rank);
  }

  /** A parameter read from a file has its array, and so its shape, already. */
  private static void setShape(Parameter parameter, long rows, long columns) {
    if (!parameter.isInitialized()) {
      parameter.setShape(new Shape(rows, columns));
    }
  }

  @Override
  protected void initializeChildBlocks(NDManager manager, DataType type, Shape... inputShapes) {
    linear.initialize(manager, type, inputShapes);
  }

  @Override
  public Shape[] getOutputShapes(Shape[] inputShapes) {
    return linear.getOutputShapes(inputShapes);
  }

  @Override
  protected NDList forwardInternal(
      ParameterStore store, NDList inputs, boolean training, PairList<String, Object> params) {
    NDArray x = inputs.singletonOrThrow();
    Device device = x.getDevice();
    NDArray y = linear.forward(store, inputs, training, params).singletonOrThrow();
    NDArray dropped =
        training && dropout > 0 ? Dropout.dropout(x, dropout, true).singletonOrThrow() : x;
    NDArray low = Linear.linear(dropped, store.getValue(a, device, training)).singletonOrThrow();
    NDArray high = Linear.linear(low, store.getValue(b, device, training)).singletonOrThrow();
    return new NDList(y.add(high.mul(scaling)));
  }

  /** {@return the frozen layer} */
  public Linear linear() {
    return linear;
  }

  /**
   * {@return a plain layer that gives this one's output}: a new weight W + scaling · B A, on the
   * manager of W, and the same bias array. The weight and the factors of this layer are freed.
   *
   * @throws ai.djl.nn.UninitializedParameterException if this was not initialized
   */
  Linear merge() {
    NDArray weight = linear.getDirectParameters().get("weight").getArray();
    Parameter bias = linear.getDirectParameters().get("bias");
    Linear merged =
        Linear.builder().setUnits(weight.getShape().get(0)).optBias(bias != null).build();
    try (NDArray product = b.getArray().matMul(a.getArray());
        NDArray delta = product.mul(scaling)) {
      merged.getDirectParameters().get("weight").setArray(detached(weight.add(delta)));
    }
    if (bias != null) {
      merged.getDirectParameters().get("bias").setArray(bias.getArray());
    }
    merged.freezeParameters(true);
    // Its parameters are there already: this tells it its input's shape only.
    merged.initialize(
        weight.getManager(), weight.getDataType(), new Shape(1, weight.getShape().get(1)));
    a.close();
    b.close();
    weight.close();
    return merged;
  }

  private static NDArray detached(NDArray sum) {
    try (NDArray source = sum) {
      return source.stopGradient();
    }
  }
}
