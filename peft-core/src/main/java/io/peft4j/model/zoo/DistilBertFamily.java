package io.peft4j.model.zoo;

import io.peft4j.model.encoder.EncoderFamily;
import io.peft4j.model.encoder.EncoderNames;
import io.peft4j.model.encoder.EncoderSpec;
import io.peft4j.model.family.AttentionNames;
import io.peft4j.model.load.ModelConfig;
import io.peft4j.model.module.Activation;
import java.util.List;
import java.util.Map;
import java.util.Set;

/** DistilBERT (Sanh et al., 2019): a BERT without token types and pooler. */
public final class DistilBertFamily implements EncoderFamily {

  private static final EncoderNames NAMES =
      EncoderNames.builder("distilbert")
          .layer("transformer.layer.%d")
          .projections("attention.q_lin", "attention.k_lin", "attention.v_lin")
          .attentionOutput("attention.out_lin", "sa_layer_norm")
          .feedForward("ffn.lin1", "ffn.lin2", "output_layer_norm")
          .build();

  @Override
  public String modelType() {
    return "distilbert";
  }

  @Override
  public String defaults() {
    return """
    {"vocab_size": 30522, "dim": 768, "n_layers": 6, "n_heads": 12, "hidden_dim": 3072,
     "activation": "gelu", "dropout": 0.1, "attention_dropout": 0.1,
     "max_position_embeddings": 512, "initializer_range": 0.02,
     "seq_classif_dropout": 0.2, "pad_token_id": 0}
    """;
  }

  @Override
  public Map<String, String> aliases() {
    return Map.of(
        "dim", "hidden_size", "n_heads", "num_attention_heads", "n_layers", "num_hidden_layers");
  }

  @Override
  public String layersKey() {
    return "n_layers";
  }

  @Override
  public EncoderSpec spec(ModelConfig config) {
    return EncoderSpec.builder(config, NAMES, 0)
        .layers(config.layers("n_layers"))
        .width(config.size("dim"), config.size("n_heads"))
        .intermediate(config.size("hidden_dim"))
        .activation(config.activation("activation", "gelu"))
        .dropout(config.probability("dropout", 0.1), config.probability("attention_dropout", 0.1))
        .headDense("pre_classifier", Activation.RELU, false)
        .head(classifierHead(), config.probability("seq_classif_dropout", 0.2))
        .build();
  }

  @Override
  public String classifierHead() {
    return "classifier";
  }

  @Override
  public Set<String> heads() {
    return Set.of(
        "classifier",
        "pre_classifier",
        "qa_outputs",
        "vocab_transform",
        "vocab_layer_norm",
        "vocab_projector");
  }

  @Override
  public List<String> defaultTargets(String peftType) {
    return switch (peftType) {
      case "IA3" -> List.of("k_lin", "v_lin", "lin2");
      case "LN_TUNING" -> List.of("sa_layer_norm", "output_layer_norm");
      default -> List.of("q_lin", "v_lin");
    };
  }

  @Override
  public AttentionNames attention() {
    return AttentionNames.of("self", "q_lin", "k_lin", "v_lin");
  }

  @Override
  public String tokenizerClass() {
    return "BertTokenizer";
  }
}
