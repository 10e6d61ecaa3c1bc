package io.peft4j.serve;

import ai.djl.ndarray.BaseNDManager;
import io.peft4j.model.Model;
import java.lang.reflect.Field;
import java.util.Map;

/** How much a model's manager holds. */
final class Held {

  private Held() {}

  /** {@return arrays and managers under the model's manager, at any depth} */
  static int count(Model model) {
    try {
      Field resources = BaseNDManager.class.getDeclaredField("resources");
      resources.setAccessible(true);
      return count(model.manager(), resources);
    } catch (ReflectiveOperationException e) {
      throw new IllegalStateException(e);
    }
  }

  private static int count(Object manager, Field resources) throws ReflectiveOperationException {
    Map<?, ?> held = (Map<?, ?>) resources.get(manager);
    int count = held.size();
    for (Object each : held.values()) {
      if (each instanceof BaseNDManager) {
        count += count(each, resources);
      }
    }
    return count;
  }
}
