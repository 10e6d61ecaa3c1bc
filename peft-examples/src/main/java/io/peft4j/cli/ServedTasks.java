package io.peft4j.cli;

import io.peft4j.adapter.AdapterFiles;
import io.peft4j.model.CausalLm;
import io.peft4j.model.Model;
import io.peft4j.model.load.LoadOptions;
import io.peft4j.model.load.ModelConfig;
import io.peft4j.serve.AdapterRouter;
import io.peft4j.serve.EmbeddingHead;
import io.peft4j.server.ServedModel;
import java.io.IOException;
import java.nio.file.Path;
import java.util.Collection;

/** What a model is served as, and so how it is loaded. */
final class ServedTasks {

  private ServedTasks() {}

  /** {@return what the adapters were trained for; without such, what the base says it is} */
  static ServeCommand.ServedTask of(Path base, Collection<Path> adapters) throws IOException {
    for (Path adapter : adapters) {
      switch (AdapterFiles.readConfig(adapter).toJson().path("task_type").asText("")) {
        case "CAUSAL_LM":
          return ServeCommand.ServedTask.CAUSAL_LM;
        case "SEQ_CLS":
          return ServeCommand.ServedTask.SEQ_CLS;
        case "FEATURE_EXTRACTION":
          return ServeCommand.ServedTask.EMBEDDING;
        default: // says nothing
      }
    }
    String architecture = ModelConfig.read(base).json().path("architectures").path(0).asText("");
    if (architecture.endsWith("ForCausalLM") || architecture.endsWith("LMHeadModel")) {
      return ServeCommand.ServedTask.CAUSAL_LM;
    }
    return architecture.endsWith("ForSequenceClassification")
        ? ServeCommand.ServedTask.SEQ_CLS
        : ServeCommand.ServedTask.EMBEDDING;
  }

  static Model load(
      ServeCommand.ServedTask task, Path base, Collection<Path> adapters, LoadOptions options)
      throws IOException {
    return switch (task) {
      case CAUSAL_LM -> CausalLm.load(base, options).model();
      case SEQ_CLS -> Model.load(base, options);
      case EMBEDDING -> Model.load(base, options, EmbeddingHead.KIND);
    };
  }

  static ServedModel serve(
      ServeCommand.ServedTask task, String name, Path base, Model model, AdapterRouter router)
      throws IOException {
    return switch (task) {
      case CAUSAL_LM -> ServedModel.languageModel(name, base, model, router);
      case SEQ_CLS -> ServedModel.classifier(name, base, model, router);
      case EMBEDDING -> ServedModel.encoder(name, base, model, router);
    };
  }
}
