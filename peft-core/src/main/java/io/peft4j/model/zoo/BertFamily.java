package io.peft4j.model.zoo;

import io.peft4j.model.encoder.EncoderFamily;
import io.peft4j.model.encoder.EncoderNames;
import io.peft4j.model.encoder.EncoderSpec;
import io.peft4j.model.family.AttentionNames;
import io.peft4j.model.load.ModelConfig;
import io.peft4j.model.module.Activation;
import java.util.List;
import java.util.Set;

/** BERT (Devlin et al., 2019). */
public final class BertFamily implements EncoderFamily {

  @Override
  public String modelType() {
    return "bert";
  }

  @Override
  public String defaults() {
    return """
    {"vocab_size": 30522, "hidden_size": 768, "num_hidden_layers": 12,
     "num_attention_heads": 12, "intermediate_size": 3072, "hidden_act": "gelu",
     "hidden_dropout_prob": 0.1, "attention_probs_dropout_prob": 0.1,
     "max_position_embeddings": 512, "type_vocab_size": 2, "initializer_range": 0.02,
     "layer_norm_eps": 1e-12, "pad_token_id": 0}
    """;
  }

  @Override
  public EncoderSpec spec(ModelConfig config) {
    double dropout = config.probability("hidden_dropout_prob", 0.1);
    return EncoderSpec.asBert(config, EncoderNames.builder("bert").build(), 0)
        .headInBase("pooler.dense", Activation.TANH)
        .head(classifierHead(), config.probability("classifier_dropout", dropout))
        .build();
  }

  @Override
  public String classifierHead() {
    return "classifier";
  }

  @Override
  public Set<String> heads() {
    return Set.of("classifier", "cls", "qa_outputs");
  }

  @Override
  public List<String> defaultTargets(String peftType) {
    return switch (peftType) {
      case "IA3" -> List.of("key", "value", "output.dense");
      case "LN_TUNING" -> List.of("LayerNorm");
      default -> List.of("query", "value");
    };
  }

  @Override
  public AttentionNames attention() {
    return AttentionNames.of("self_prefix", "query", "key", "value");
  }

  @Override
  public String tokenizerClass() {
    return "BertTokenizer";
  }
}
