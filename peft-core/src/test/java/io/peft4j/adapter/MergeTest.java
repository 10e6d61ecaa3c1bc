package io.peft4j.adapter;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;

import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.NDManager;
import io.peft4j.Golden;
import io.peft4j.adapter.lora.LoraConfig;
import io.peft4j.adapter.lora.LoraInit;
import io.peft4j.model.Model;
import io.peft4j.model.load.LoadOptions;
import io.peft4j.model.module.Linear;
import io.peft4j.torch.Ops;
import io.peft4j.torch.Precision;
import java.io.IOException;
import java.util.List;
import org.junit.jupiter.api.Test;

/** Several adapters in one weight. */
class MergeTest {

  @Test
  void aWeightIsRoundedOnceForAllOfThem() throws IOException {
    LoraConfig config =
        LoraConfig.builder().r(4).loraAlpha(8).targetModules("query").init(LoraInit.RANDOM).build();
    LoadOptions options = LoadOptions.DEFAULT.withPrecision(Precision.BFLOAT16);
    try (Model model = Model.load(Golden.path("encoders/bert"), options);
        AdaptedModel adapted = new AdaptedModel(model);
        NDManager scope = model.manager().newSubManager()) {
      String name = "bert.encoder.layer.0.attention.self.query";
      Linear query = (Linear) model.modules().leaf(name);
      NDArray sum = query.projection().weight(scope);
      for (String adapter : List.of("first", "second", "third")) {
        var tensors = adapted.add(adapter, config, adapter.hashCode()).tensors();
        NDArray a = Ops.detach(tensors.get(name + ".lora_A.weight"));
        NDArray b = Ops.detach(tensors.get(name + ".lora_B.weight"));
        sum = sum.add(b.matMul(a).mul(2));
      }
      adapted.merge("first", "second", "third");
      assertArrayEquals(
          Ops.toFloat32(Ops.toBfloat16(sum)).toFloatArray(),
          query.projection().weight(scope).toFloatArray());
    }
  }
}
