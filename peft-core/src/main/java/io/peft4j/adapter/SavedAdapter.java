package io.peft4j.adapter;

import io.peft4j.adapter.method.Adapter;
import io.peft4j.adapter.method.AdapterConfig;
import io.peft4j.adapter.method.AdapterMethod;
import io.peft4j.adapter.method.AdapterMethods;
import io.peft4j.adapter.target.TargetMatcher;
import io.peft4j.model.Model;
import io.peft4j.model.module.Module;
import io.peft4j.safetensors.ReadBack;
import io.peft4j.torch.Precision;
import java.io.IOException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Set;
import java.util.function.Supplier;

/** Compares what has been saved with the adapters it was saved from. */
final class SavedAdapter {

  private SavedAdapter() {}

  /**
   * Makes sure that the config in a folder gives an adapter the modules, and them the ranks and
   * scalings, that it has: order and form of the patterns that say so may have changed in writing.
   */
  static void checkConfig(Adapter adapter, Path folder, Model model) throws IOException {
    AdapterConfig was = adapter.config();
    AdapterMethod method = AdapterMethods.named(was.peftType());
    if (method.kinds().isEmpty()) {
      return;
    }
    AdapterConfig read = AdapterFiles.readConfig(folder);
    if (!read.peftType().equals(was.peftType())) {
      throw new IOException(
          folder + ": should hold a " + was.peftType() + " adapter, found " + read.peftType());
    }
    AdapterConfig is = method.settle(read, model);
    Set<Module> acts = new LinkedHashSet<>(adapter.projections().keySet());
    acts.addAll(adapter.embeddings().keySet());
    acts.removeAll(adapter.tied().keySet());
    Set<Module> found =
        new LinkedHashSet<>(TargetMatcher.find(is.targets(), model.modules(), method.kinds()));
    found.removeAll(adapter.tied().keySet());
    if (!found.equals(acts)) {
      throw differs(folder, "target_modules", names(acts), names(found));
    }
    for (Module module : acts) {
      String name = module.name();
      Map<String, Object> settings = is.settings(name);
      for (Map.Entry<String, Object> setting : was.settings(name).entrySet()) {
        Object now = settings.get(setting.getKey());
        if (!setting.getValue().equals(now)) {
          throw differs(folder, setting.getKey() + " of " + name, setting.getValue(), now);
        }
      }
    }
  }

  private static List<String> names(Set<Module> modules) {
    return modules.stream().map(Module::name).sorted().toList();
  }

  private static IOException differs(Path folder, String what, Object was, Object is) {
    return new IOException(
        String.format(
            Locale.ROOT,
            "%s: was not saved as it was trained: %s should be %s, but is read back as %s",
            folder,
            what,
            was,
            is));
  }

  /**
   * Makes sure that a mix acts as its files do: loads them beside it, and runs both. Full
   * fine-tuning, whose file is a whole model, has been compared when it was written.
   *
   * @param outputs runs the model on the same few examples each time
   */
  static void checkOutputs(
      AdaptedModel model, AdapterMix mix, Path folder, Supplier<float[][]> outputs)
      throws IOException {
    if (!ReadBack.isPossible(folder)) {
      return;
    }
    mix.activate();
    float[][] trained = outputs.get();
    List<String> loaded = new ArrayList<>();
    List<String> acting = new ArrayList<>();
    try {
      for (String name : mix.acting().keySet()) {
        if (model.trainsBase(name)) {
          acting.add(name);
          continue;
        }
        String again = name + ", read back";
        model.loadAgain(again, mix.folder(folder, name));
        loaded.add(again);
        acting.add(again);
      }
      model.activate(acting.toArray(String[]::new));
      compare(folder, trained, outputs.get(), model.model().precision());
    } catch (IllegalArgumentException e) {
      throw new IOException(folder + ": cannot be loaded again: " + e.getMessage(), e);
    } finally {
      for (int i = loaded.size() - 1; i >= 0; i--) {
        model.delete(loaded.get(i));
      }
      mix.activate();
    }
  }

  /** What is saved smaller than it was trained (AdaLoRA) is rounded in another order. */
  private static void compare(Path folder, float[][] trained, float[][] saved, Precision precision)
      throws IOException {
    double tolerance = precision == Precision.BFLOAT16 ? 0.05 : 1e-3;
    for (int i = 0; i < trained.length; i++) {
      for (int j = 0; j < trained[i].length; j++) {
        float was = trained[i][j];
        float is = saved[i][j];
        boolean same = Float.isFinite(was) == Float.isFinite(is);
        if (!same || Math.abs(was - is) > tolerance * (1 + Math.abs(was))) {
          throw differs(folder, "output " + j + " of example " + i, was, is);
        }
      }
    }
  }
}
