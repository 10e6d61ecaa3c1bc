package io.peft4j.model;

import io.peft4j.data.LabelNames;
import io.peft4j.data.Task;
import io.peft4j.model.family.Families;
import io.peft4j.model.load.ModelConfig;
import io.peft4j.safetensors.Checkpoint;
import io.peft4j.safetensors.DType;
import io.peft4j.safetensors.TensorInfo;
import java.io.IOException;
import java.nio.file.Path;
import java.util.List;
import java.util.Locale;
import java.util.OptionalInt;
import java.util.Set;
import java.util.function.Function;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * What a sequence classifier's head gives: its task, and a name for each of its outputs, in their
 * order. This is the one place that decides it where model, data and caller each say something:
 *
 * <ul>
 *   <li>A trained head, one whose weights the checkpoint has, keeps its number of outputs, their
 *       order and their names; labels are matched to it by name, or by number where they are
 *       numbers and its names are not. What it lacks, another number of outputs or another task is
 *       an error.
 *   <li>A trained head without names (LABEL_0 and so on) takes as many as it has outputs, in order.
 *   <li>Without a trained head the names that {@code config.json} has are kept where they include
 *       all that are asked for; else it is what is asked for.
 * </ul>
 *
 * What was decided is logged where it is not what was asked for.
 */
public final class HeadIdentity {

  private static final Logger LOGGER = LoggerFactory.getLogger(HeadIdentity.class);
  private static final Set<DType> FLOATING = Set.of(DType.F64, DType.F32, DType.F16, DType.BF16);

  private final Path model;
  private final Task declared;
  private final LabelNames labels;
  private final boolean named;
  private final boolean trained;

  /**
   * @param declared null where nothing says
   * @param named whether the labels, or their number, are said anywhere
   */
  private HeadIdentity(
      Path model, Task declared, LabelNames labels, boolean named, boolean trained) {
    this.model = model;
    this.declared = declared;
    this.labels = labels;
    this.named = named;
    this.trained = trained;
  }

  /**
   * What the model in {@code folder} says of its head.
   *
   * @throws IOException if {@code config.json} or the checkpoint cannot be read
   * @throws IllegalArgumentException if they contradict each other
   */
  public static HeadIdentity read(Path folder) throws IOException {
    ModelConfig config = Families.config(folder);
    String head = Families.of(config).architecture(config).headName();
    try (Checkpoint checkpoint = Checkpoint.openUnmapped(folder)) {
      return of(folder, config, checkpoint, head);
    }
  }

  /**
   * @param head the name of the module that gives the logits
   * @throws IllegalArgumentException if config and checkpoint contradict each other
   */
  static HeadIdentity of(Path folder, ModelConfig config, Checkpoint checkpoint, String head) {
    int rows = rows(checkpoint, head);
    boolean trained = checkpoint.names().contains(head + ".weight");
    if (config.namesContradict()) {
      LOGGER.warn("{}: label2id has other names than id2label, which are taken", folder);
    }
    LabelNames said = config.declaredLabels();
    if (said != null && rows >= 0 && said.size() != rows) {
      throw config.wrong(
          String.format(
              Locale.ROOT,
              "%d labels %s do not go with the %d outputs of %s in %s",
              said.size(),
              said,
              rows,
              head,
              checkpoint.path()));
    }
    LabelNames labels =
        said != null ? said : LabelNames.generic(rows >= 0 ? rows : ModelConfig.DEFAULT_LABELS);
    Task task = config.declaredTask(labels);
    return new HeadIdentity(folder, task, labels, said != null || rows >= 0, trained);
  }

  /** {@return how many outputs the stored head has}, or -1 where it cannot be told */
  private static int rows(Checkpoint checkpoint, String head) {
    for (String name : new String[] {head + ".weight", head + ".bias"}) {
      if (checkpoint.names().contains(name)) {
        TensorInfo info = checkpoint.info(name);
        if (FLOATING.contains(info.dtype()) && info.dimensions().length > 0) {
          // packed weights have another shape
          return outputs(checkpoint.path(), name, info.shape());
        }
      }
    }
    return -1;
  }

  /**
   * {@return how many outputs a head has, by the shape of its tensor {@code name}}
   *
   * @throws IllegalArgumentException if no head can have so many: a tensor without elements may say
   *     anything
   */
  public static int outputs(Path file, String name, List<Long> shape) {
    long extent = shape.isEmpty() ? 0 : shape.get(0);
    if (extent > ModelConfig.MOST_LABELS) {
      throw new IllegalArgumentException(
          String.format(
              Locale.ROOT,
              "%s: tensor '%s': expected at most %d outputs, found %d",
              file,
              name,
              ModelConfig.MOST_LABELS,
              extent));
    }
    return (int) extent;
  }

  /** {@return what it learns}: what is declared, else by the number of outputs, as transformers */
  public Task task() {
    if (declared != null) {
      return declared;
    }
    return labels.size() == 1 ? Task.REGRESSION : Task.SINGLE_LABEL;
  }

  /** {@return the task where something says it, be it a trained head of one output; else null} */
  public Task declaredTask() {
    return declared == null && trained && labels.size() == 1 ? Task.REGRESSION : declared;
  }

  /** {@return the names of the outputs, in order} */
  public LabelNames labels() {
    return labels;
  }

  /** {@return whether the checkpoint has weights for it} */
  public boolean trained() {
    return trained;
  }

  /** {@return the task that {@code config.json} has to have, or null for none} */
  Task written() {
    return declared;
  }

  /** {@return the head that is asked for, whatever the model has} */
  HeadIdentity replaced(Task task, LabelNames names) {
    LabelNames outputs = names == null ? labels : names;
    return task == null
        ? new HeadIdentity(model, declared, outputs, true, false)
        : checked(task, outputs, false);
  }

  /**
   * {@return the head that this model gets when somebody asks for a task with labels}
   *
   * @param task null for what the model says
   * @param names null for what the model says; empty for one number
   * @throws IllegalArgumentException if a trained head is for something else; the message names
   *     both
   */
  public HeadIdentity meet(Task task, LabelNames names) {
    Task wanted = task == null ? task() : task;
    LabelNames asked = names == null ? labels : numbered(wanted, names);
    if (trained
        && (!fits(wanted) || (wanted == Task.REGRESSION && asked.size() != labels.size()))) {
      throw conflict(wanted, asked);
    }
    return checked(wanted, namesFor(wanted, asked), trained);
  }

  private boolean fits(Task wanted) {
    if (declared != null) {
      return wanted == declared;
    }
    return labels.size() > 1 || wanted != Task.SINGLE_LABEL;
  }

  /** Numbers need no names. */
  private static LabelNames numbered(Task task, LabelNames names) {
    return task == Task.REGRESSION && names.size() == 0 ? LabelNames.generic(1) : names;
  }

  private LabelNames namesFor(Task wanted, LabelNames asked) {
    if (asked.equals(labels)) {
      return labels;
    }
    boolean hasNames = named && !labels.isGeneric();
    boolean sameNumber = asked.size() == labels.size();
    if ((trained || hasNames) && all(asked, labels::named) && (sameNumber || !asked.isGeneric())) {
      LOGGER.info(
          "{}: {} labels stay as they are, {}; those asked for, {}, are matched by name",
          model,
          trained ? "the trained head's" : "config.json's",
          labels,
          asked);
      return labels;
    }
    if (hasNames && sameNumber && asked.isGeneric()) {
      LOGGER.info("{}: {} are taken for the numbers in each row, in this order", model, labels);
      return labels;
    }
    if (trained && !hasNames && sameNumber) {
      LOGGER.warn(
          "{}: the trained head's {} outputs have no names; they are called {}, in this order",
          model,
          labels.size(),
          asked);
      return asked;
    }
    if ((trained || hasNames) && all(asked, labels::id)) {
      LOGGER.info("{}: the labels {} are taken as the numbers of {}", model, asked, labels);
      return labels;
    }
    if (trained) {
      throw conflict(wanted, asked);
    }
    return asked;
  }

  private static boolean all(LabelNames asked, Function<String, OptionalInt> id) {
    long distinct =
        asked.names().stream().map(id).filter(OptionalInt::isPresent).distinct().count();
    return distinct == asked.size();
  }

  private HeadIdentity checked(Task task, LabelNames names, boolean kept) {
    LabelNames outputs = numbered(task, names);
    if (outputs.size() < (task == Task.SINGLE_LABEL ? 2 : 1)) {
      throw new IllegalArgumentException(
          String.format(
              Locale.ROOT,
              "%s needs at least %s, found %s",
              task.problemType(),
              task == Task.SINGLE_LABEL ? "two labels" : "one label",
              outputs));
    }
    return new HeadIdentity(model, task, outputs, true, kept);
  }

  private IllegalArgumentException conflict(Task wanted, LabelNames asked) {
    return new IllegalArgumentException(
        String.format(
                Locale.ROOT,
                "%s has a trained head for %s; asked for is %s. A new head has to be asked for (--new-head,",
                model,
                describe(task(), labels),
                describe(wanted, asked))
            + " LoadOptions.withNewHead)");
  }

  private static String describe(Task task, LabelNames labels) {
    return String.format(
        Locale.ROOT,
        "%s with %d %s %s",
        task.problemType(),
        labels.size(),
        task == Task.REGRESSION ? "numbers" : "labels",
        labels);
  }

  @Override
  public String toString() {
    return describe(task(), labels);
  }
}
