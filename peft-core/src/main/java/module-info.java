/**
 * Parameter-efficient fine-tuning of transformers: models, adapters, data, training, generation.
 *
 * <p>What is exported stays as it is within a major version, unless it or its package is marked
 * {@link io.peft4j.api.Experimental} (it may change in a minor one) or {@link
 * io.peft4j.api.Internal} (it is not for users). What is not exported may change at any time.
 */
module io.peft4j.core {
  requires transitive ai.djl.api;
  requires ai.djl.pytorch_engine;
  requires ai.djl.tokenizers;
  requires com.sun.jna;
  requires transitive com.fasterxml.jackson.databind;
  requires java.management;
  requires java.net.http;
  requires jdk.management;
  requires org.apache.commons.csv;
  requires org.slf4j;

  exports io.peft4j.adapter;
  exports io.peft4j.adapter.compose;
  exports io.peft4j.adapter.library;
  exports io.peft4j.adapter.lora;
  exports io.peft4j.adapter.method;
  exports io.peft4j.adapter.select;
  exports io.peft4j.adapter.target;
  exports io.peft4j.api;
  exports io.peft4j.data;
  exports io.peft4j.djl;
  exports io.peft4j.eval;
  exports io.peft4j.generate;
  exports io.peft4j.gguf;
  exports io.peft4j.hub;
  exports io.peft4j.io;
  exports io.peft4j.model;
  exports io.peft4j.model.batch;
  exports io.peft4j.model.chain;
  exports io.peft4j.model.decoder;
  exports io.peft4j.model.encoder;
  exports io.peft4j.model.family;
  exports io.peft4j.model.head;
  exports io.peft4j.model.load;
  exports io.peft4j.model.module;
  exports io.peft4j.safetensors;
  exports io.peft4j.serve;
  exports io.peft4j.text;
  exports io.peft4j.text.jinja;
  exports io.peft4j.torch;
  exports io.peft4j.train;
  exports io.peft4j.train.optimizer;
  exports io.peft4j.train.report;

  uses io.peft4j.adapter.method.AdapterMethod;
  uses io.peft4j.model.family.Family;
  uses io.peft4j.model.load.WeightFormat;
  uses io.peft4j.torch.GpuMemory;
  uses io.peft4j.train.Schedule;
  uses io.peft4j.train.optimizer.MomentStore.Provider;
  uses io.peft4j.train.optimizer.Optimizer.Provider;

  provides io.peft4j.adapter.method.AdapterMethod with
      io.peft4j.adapter.lora.LoraMethod,
      io.peft4j.adapter.select.FullMethod,
      io.peft4j.adapter.select.Ia3Method,
      io.peft4j.adapter.lora.VeraMethod,
      io.peft4j.adapter.lycoris.LohaMethod,
      io.peft4j.adapter.lycoris.LokrMethod,
      io.peft4j.adapter.select.LnTuningMethod,
      io.peft4j.adapter.select.BitFitMethod,
      io.peft4j.adapter.lora.AdaLoraMethod,
      io.peft4j.adapter.prompt.PrefixTuningMethod,
      io.peft4j.adapter.prompt.PromptTuningMethod,
      io.peft4j.adapter.prompt.PTuningMethod,
      io.peft4j.adapter.library.BottleneckMethod,
      io.peft4j.adapter.library.FusionMethod,
      io.peft4j.adapter.library.AverageMethod,
      io.peft4j.adapter.library.GatedLoraMethod,
      io.peft4j.adapter.library.GatedPrefixMethod;
  provides io.peft4j.model.family.Family with
      io.peft4j.model.zoo.BertFamily,
      io.peft4j.model.zoo.RobertaFamily,
      io.peft4j.model.zoo.DistilBertFamily,
      io.peft4j.model.zoo.LlamaFamily,
      io.peft4j.model.zoo.MistralFamily,
      io.peft4j.model.zoo.Qwen2Family,
      io.peft4j.model.zoo.Qwen3Family,
      io.peft4j.model.zoo.Gemma2Family,
      io.peft4j.model.zoo.Phi3Family,
      io.peft4j.model.zoo.Gpt2Family,
      io.peft4j.model.zoo.GptNeoXFamily;
}
