package io.peft4j.train;

import ai.djl.ndarray.NDArray;
import io.peft4j.adapter.AdaptedModel;
import io.peft4j.adapter.lora.LoraConfig;
import io.peft4j.adapter.lora.LoraInit;
import io.peft4j.adapter.method.Adapter;
import io.peft4j.adapter.target.ModuleSelector;
import io.peft4j.model.CausalLm;
import io.peft4j.model.batch.TokenBatch;
import io.peft4j.model.load.LoadOptions;
import io.peft4j.torch.Autograd;
import io.peft4j.torch.Precision;
import java.io.IOException;
import java.nio.file.Path;
import java.security.MessageDigest;
import java.security.NoSuchAlgorithmException;
import java.util.HexFormat;
import java.util.List;
import java.util.Random;

/**
 * One LoRA step's gradients in a process of their own. Prints the loss and the gradients' SHA-256.
 * Arguments: model folder, whether to stream.
 */
final class StreamedRun {

  private StreamedRun() {}

  public static void main(String[] arguments) throws IOException, NoSuchAlgorithmException {
    LoadOptions options =
        LoadOptions.DEFAULT
            .withPrecision(Precision.BFLOAT16)
            .withStreaming(Boolean.parseBoolean(arguments[1]));
    LoraConfig config =
        LoraConfig.builder()
            .r(4)
            .targetModules(ModuleSelector.allLinear())
            .loraDropout(0.1)
            .init(LoraInit.RANDOM)
            .build();
    try (CausalLm lm = CausalLm.load(Path.of(arguments[0]), options);
        AdaptedModel adapted = new AdaptedModel(lm.model())) {
      Adapter adapter = adapted.add("a", config, 3);
      int[] ids = new Random(5).ints(64, 3, 1000).toArray();
      double loss;
      try (TokenBatch batch = lm.model().batch(List.of(lm.sequence(ids)))) {
        loss = lm.model().forwardBackward(batch, null, 1, 5, true);
      }
      MessageDigest digest = MessageDigest.getInstance("SHA-256");
      for (NDArray tensor : adapter.tensors().values()) {
        try (NDArray gradient = Autograd.gradient(tensor)) {
          digest.update(gradient.toByteBuffer(true));
        }
      }
      System.out.println("result " + loss + " " + HexFormat.of().formatHex(digest.digest()));
    }
  }
}
