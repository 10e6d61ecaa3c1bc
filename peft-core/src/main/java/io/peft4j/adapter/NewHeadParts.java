package io.peft4j.adapter;

import io.peft4j.adapter.method.AdapterConfig;
import io.peft4j.adapter.target.Targets;
import io.peft4j.model.Model;
import java.util.ArrayList;
import java.util.LinkedHashSet;
import java.util.Set;

/** What of a head the base lacked, and an adapter therefore has to bring. */
final class NewHeadParts {

  private NewHeadParts() {}

  /**
   * {@return {@code config}, of a head that is trained with it, saving also what of the head the
   * base lacks below the logits} BERT's pooler or DistilBERT's pre_classifier, if drawn anew, would
   * otherwise be lost with the model, as it is in peft.
   */
  static AdapterConfig savedBy(AdapterConfig config, Model model) {
    Targets targets = config.targets();
    if (targets == null || targets.heads().isEmpty() || targets.modulesToSave() == null) {
      return config;
    }
    Set<String> saved = new LinkedHashSet<>(targets.modulesToSave());
    for (String parameter : model.initialized()) {
      String module = parameter.substring(0, parameter.lastIndexOf('.'));
      if (targets.heads().stream().noneMatch(head -> isIn(module, head))) {
        saved.add(module);
      }
    }
    return config.withModulesToSave(new ArrayList<>(saved));
  }

  private static boolean isIn(String module, String head) {
    return module.equals(head) || module.startsWith(head + ".");
  }
}
