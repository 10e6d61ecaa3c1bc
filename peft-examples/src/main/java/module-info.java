/** The command line and the practice projects. */
module io.peft4j.examples {
  requires com.fasterxml.jackson.dataformat.yaml;
  requires com.google.protobuf;
  requires info.picocli;
  requires transitive io.peft4j.cuda;
  requires java.desktop;
  requires java.management;
  requires jdk.httpserver;
  requires jdk.management;
  requires static transitive langchain4j.core;
  requires org.knowm.xchart;
  requires me.tongfei.progressbar;
  requires org.slf4j;

  exports io.peft4j.cli;
  exports io.peft4j.langchain4j;
  exports io.peft4j.server;

  opens io.peft4j.cli to
      info.picocli;
  opens io.peft4j.cli.importer to
      info.picocli;
  opens io.peft4j.examples to
      info.picocli;

  uses io.peft4j.cli.Subcommand;

  provides io.peft4j.cli.Subcommand with
      io.peft4j.examples.QloraChat,
      io.peft4j.examples.SentimentLora,
      io.peft4j.examples.CodeLm,
      io.peft4j.examples.MultiTask;
}
