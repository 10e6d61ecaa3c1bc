package io.peft4j.adapter;

import io.peft4j.data.LabelNames;
import io.peft4j.data.Task;
import io.peft4j.model.HeadIdentity;
import io.peft4j.model.family.Families;
import io.peft4j.model.family.Family;
import io.peft4j.model.load.LoadOptions;
import io.peft4j.model.load.ModelConfig;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;

/**
 * The head that a sequence classifier has to have for an adapter to go on it. What the adapter
 * itself holds comes first: as many outputs as the head that it brings, with the names and the task
 * of the {@code config.json} beside it. Where it has none, as peft writes folders, they are the
 * base's if that has as many outputs, else LABEL_0 and so on.
 */
public final class AdapterHead {

  private AdapterHead() {}

  /**
   * {@return {@code options} with the head that an adapter needs}
   *
   * @param base the model's folder
   * @param adapter an adapter's folder, or one of a mix
   * @throws IOException if a file cannot be read
   * @throws IllegalArgumentException if the adapter's head and its {@code config.json} contradict
   *     each other, or the base's
   */
  public static LoadOptions of(Path base, Path adapter, LoadOptions options) throws IOException {
    return of(base, List.of(adapter), options);
  }

  /**
   * As {@link #of(Path, Path, LoadOptions)}, for several adapters that go on it together.
   *
   * @throws IllegalArgumentException also if two are for different labels
   */
  public static LoadOptions of(Path base, List<Path> adapters, LoadOptions options)
      throws IOException {
    Path decided = null;
    LoadOptions found = options;
    for (Path adapter : adapters) {
      LoadOptions own = one(base, adapter, options);
      if (own == options) {
        continue;
      }
      if (decided != null && !own.labels().equals(found.labels())) {
        throw new IllegalArgumentException(
            String.format(
                Locale.ROOT,
                "%s is for the labels %s, %s for %s",
                decided,
                found.labels(),
                adapter,
                own.labels()));
      }
      if (decided == null || own.head() == LoadOptions.Head.ADAPTER) {
        decided = adapter;
        found = own;
      }
    }
    return found;
  }

  private static LoadOptions one(Path base, Path adapter, LoadOptions options) throws IOException {
    int outputs = outputs(adapter);
    ModelConfig beside =
        Files.exists(adapter.resolve("config.json")) ? ModelConfig.read(adapter) : null;
    boolean named = beside != null && beside.saysLabels();
    if (outputs < 0) {
      return named ? options.withHead(beside.declaredTask(), beside.labels()) : options;
    }
    if (outputs == 0) {
      throw new IllegalArgumentException(adapter + ": expected a head with outputs, found none");
    }
    if (named) {
      if (beside.labels().size() != outputs) {
        throw new IllegalArgumentException(
            String.format(
                Locale.ROOT,
                "%s: its head has %d outputs, its config.json the labels %s",
                adapter,
                outputs,
                beside.labels()));
      }
      return options.withAdapterHead(beside.declaredTask(), beside.labels());
    }
    HeadIdentity model = HeadIdentity.read(base);
    if (model.labels().size() == outputs) {
      return options.withAdapterHead(model.declaredTask(), model.labels());
    }
    return options.withAdapterHead(
        outputs == 1 ? Task.REGRESSION : Task.SINGLE_LABEL, LabelNames.generic(outputs));
  }

  /** {@return how many outputs the head has that an adapter brings; -1 where it brings none} */
  private static int outputs(Path adapter) throws IOException {
    Map<String, List<Long>> shapes = new LinkedHashMap<>();
    for (Path folder : AdapterMix.folders(adapter)) {
      shapes.putAll(AdapterFiles.readShapes(folder));
    }
    for (Family family : Families.all()) {
      String head = family.classifierHead() + ".weight";
      if (shapes.containsKey(head)) {
        return HeadIdentity.outputs(adapter, head, shapes.get(head));
      }
    }
    return -1;
  }
}
