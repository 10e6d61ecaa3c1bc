package io.peft4j.examples;

import io.peft4j.model.HeadKind;
import io.peft4j.model.Model;
import io.peft4j.model.load.LoadOptions;
import io.peft4j.serve.AdapterRouter;
import java.io.IOException;
import java.nio.file.Path;
import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.Deque;
import java.util.List;

/** What serving takes without adapters: a model and a router for each task. */
final class ModelEach implements AutoCloseable {

  private final List<AdapterRouter> routers = new ArrayList<>();
  private final Deque<Runnable> closing = new ArrayDeque<>();

  private ModelEach() {}

  /**
   * Loads them.
   *
   * @param language whether they are language models, rather than classifiers
   */
  static ModelEach of(Path models, List<String> tasks, boolean language) throws IOException {
    ModelEach each = new ModelEach();
    try {
      for (String task : tasks) {
        Model model =
            Model.load(
                models.resolve(task),
                LoadOptions.DEFAULT,
                language ? HeadKind.LANGUAGE_MODEL : HeadKind.SEQUENCE_CLASSIFIER);
        each.closing.push(model::close);
        AdapterRouter router = AdapterRouter.builder(model).build();
        each.closing.push(router::close);
        each.routers.add(router);
      }
      return each;
    } catch (IOException | RuntimeException e) {
      each.close();
      throw e;
    }
  }

  List<AdapterRouter> routers() {
    return List.copyOf(routers);
  }

  /** {@return bytes of a model's parameters} */
  long bytes(int task) {
    return MultiTask.bytes(routers.get(task).model());
  }

  @Override
  public void close() {
    while (!closing.isEmpty()) {
      closing.pop().run();
    }
  }
}
