package io.peft4j.examples;

import static com.tngtech.archunit.base.DescribedPredicate.not;
import static com.tngtech.archunit.core.domain.JavaClass.Predicates.resideInAnyPackage;
import static com.tngtech.archunit.lang.syntax.ArchRuleDefinition.classes;
import static com.tngtech.archunit.lang.syntax.ArchRuleDefinition.noClasses;
import static com.tngtech.archunit.library.dependencies.SlicesRuleDefinition.slices;

import ai.djl.Device;
import ai.djl.engine.Engine;
import ai.djl.huggingface.tokenizers.HuggingFaceTokenizer;
import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.NDManager;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.tngtech.archunit.base.DescribedPredicate;
import com.tngtech.archunit.core.domain.Dependency;
import com.tngtech.archunit.core.domain.JavaClass;
import com.tngtech.archunit.core.domain.JavaConstructor;
import com.tngtech.archunit.core.domain.JavaModifier;
import com.tngtech.archunit.core.importer.ImportOption.DoNotIncludeTests;
import com.tngtech.archunit.junit.AnalyzeClasses;
import com.tngtech.archunit.junit.ArchTest;
import com.tngtech.archunit.lang.ArchCondition;
import com.tngtech.archunit.lang.ArchRule;
import com.tngtech.archunit.lang.ConditionEvents;
import com.tngtech.archunit.lang.SimpleConditionEvent;
import java.nio.Buffer;

/** What may use what; see docs/architecture.md. */
@AnalyzeClasses(packages = "io.peft4j", importOptions = DoNotIncludeTests.class)
class ModuleBoundariesTest {

  private static final String QUANT = "io.peft4j.quant..";
  private static final String CUDA = "io.peft4j.cuda..";
  private static final String CLI = "io.peft4j.cli..";
  private static final String EXAMPLES = "io.peft4j.examples..";
  private static final String SERVER = "io.peft4j.server..";
  private static final String LANGCHAIN = "io.peft4j.langchain4j..";

  @ArchTest
  static final ArchRule CORE_STANDS_ALONE =
      noClasses()
          .that()
          .resideOutsideOfPackages(QUANT, CUDA, CLI, EXAMPLES, SERVER, LANGCHAIN)
          .should()
          .dependOnClassesThat()
          .resideInAnyPackage(QUANT, CUDA, CLI, EXAMPLES, SERVER, LANGCHAIN, "jcuda..");

  /** It is not on everybody's class path. */
  @ArchTest
  static final ArchRule ONE_PACKAGE_KNOWS_LANGCHAIN4J =
      noClasses()
          .that()
          .resideOutsideOfPackages(LANGCHAIN)
          .should()
          .dependOnClassesThat()
          .resideInAnyPackage("dev.langchain4j..", LANGCHAIN);

  /** Programs serve without the command line. */
  @ArchTest
  static final ArchRule THE_SERVER_STANDS_ON_CORE =
      noClasses()
          .that()
          .resideInAnyPackage(SERVER, LANGCHAIN)
          .should()
          .dependOnClassesThat()
          .resideInAnyPackage(QUANT, CUDA, CLI, EXAMPLES);

  @ArchTest
  static final ArchRule QUANT_USES_CORE_ALONE =
      noClasses()
          .that()
          .resideInAPackage(QUANT)
          .should()
          .dependOnClassesThat()
          .resideInAnyPackage(CUDA, CLI, EXAMPLES, SERVER, LANGCHAIN, "jcuda..")
          // until there is a class in it
          .allowEmptyShould(true);

  @ArchTest
  static final ArchRule CUDA_USES_NO_EXAMPLES =
      noClasses()
          .that()
          .resideInAPackage(CUDA)
          .should()
          .dependOnClassesThat()
          .resideInAnyPackage(CLI, EXAMPLES, SERVER, LANGCHAIN)
          .allowEmptyShould(true);

  /** The command line is the product; practice projects come to it as anybody's commands do. */
  /**
   * What a model ends in is asked of the head, whatever kind it is: only what makes one, and the
   * data that are for one, name it.
   */
  @ArchTest
  static final ArchRule NOBODY_ASKS_WHICH_HEAD_IT_IS =
      noClasses()
          .that()
          .resideOutsideOfPackages("io.peft4j.model..")
          .and()
          .doNotHaveFullyQualifiedName("io.peft4j.train.CausalSet")
          .and()
          .doNotHaveFullyQualifiedName("io.peft4j.cli.ServedTasks") // loads models with each kind
          .should()
          .dependOnClassesThat(
              DescribedPredicate.describe(
                  "are heads",
                  type -> type.isAssignableTo("io.peft4j.model.head.Head") && !type.isInterface()));

  /** Making one is dear; each would have its own caches. */
  @ArchTest
  static final ArchRule ONE_OBJECT_MAPPER =
      noClasses()
          .that()
          .doNotHaveFullyQualifiedName("io.peft4j.io.JsonFiles")
          .should()
          .callConstructor(ObjectMapper.class);

  @ArchTest
  static final ArchRule COMMAND_LINE_NAMES_NO_PRACTICE_PROJECT =
      noClasses()
          .that()
          .resideInAPackage(CLI)
          .should()
          .dependOnClassesThat()
          .resideInAPackage(EXAMPLES);

  @ArchTest
  static final ArchRule ONE_BRIDGE_TO_LIBTORCH =
      noClasses()
          .that()
          .resideOutsideOfPackages("io.peft4j.torch..", "io.peft4j.djl..")
          .should()
          .dependOnClassesThat()
          .resideInAPackage("ai.djl.pytorch..");

  @ArchTest
  static final ArchRule NATIVE_CALLS_IN_TWO_PLACES =
      noClasses()
          .that()
          .resideOutsideOfPackages("io.peft4j.torch..")
          .and()
          .haveNameNotMatching("io\\.peft4j\\.io\\.MappedFile(\\$.*)?")
          .should()
          .dependOnClassesThat()
          .resideInAPackage("com.sun.jna..");

  /**
   * A tensor may be on a GPU: its memory is reached through {@code HostTensors} alone, which knows.
   * (DJL's own copy of a bfloat16 tensor to the CPU ends the JVM.)
   */
  @ArchTest
  static final ArchRule NOBODY_TAKES_A_TENSOR_TO_BE_ON_THE_CPU =
      noClasses()
          .that()
          .resideOutsideOfPackages("io.peft4j.torch..")
          .should()
          .callMethod(NDArray.class, "toByteBuffer")
          .orShould()
          .callMethod(NDArray.class, "toByteBuffer", boolean.class)
          .orShould()
          .callMethod(NDArray.class, "toDevice", Device.class, boolean.class)
          .orShould()
          .callMethod(NDArray.class, "set", Buffer.class)
          .orShould()
          .callMethod(NDArray.class, "set", float[].class)
          .orShould()
          .callMethod(NDArray.class, "set", long[].class);

  /**
   * The engine is started where its telemetry is turned off first, and its managers are for a
   * device that is named: without one DJL takes a GPU if it sees one.
   */
  @ArchTest
  static final ArchRule ONE_DOOR_TO_THE_ENGINE =
      noClasses()
          .that()
          .doNotHaveFullyQualifiedName("io.peft4j.torch.Natives")
          .should()
          .callMethod(NDManager.class, "newBaseManager")
          .orShould()
          .callMethod(NDManager.class, "newBaseManager", String.class)
          .orShould()
          .callMethod(NDManager.class, "newBaseManager", Device.class)
          .orShould()
          .callMethod(NDManager.class, "newBaseManager", Device.class, String.class)
          .orShould()
          .callMethod(Engine.class, "getEngine", String.class)
          .orShould()
          .callMethod(Engine.class, "getInstance");

  /** As the engine, so the tokenizers. */
  @ArchTest
  static final ArchRule TOKENIZERS_ARE_LOADED_BY_THE_SAME_DOOR =
      classes()
          .that(callTokenizers())
          .should(
              new ArchCondition<>("call Natives.loadTokenizers()") {
                @Override
                public void check(JavaClass user, ConditionEvents events) {
                  boolean loads =
                      user.getMethodCallsFromSelf().stream()
                          .anyMatch(call -> call.getTarget().getName().equals("loadTokenizers"));
                  if (!loads) {
                    events.add(SimpleConditionEvent.violated(user, user.getName() + " does not"));
                  }
                }
              });

  private static DescribedPredicate<JavaClass> callTokenizers() {
    return DescribedPredicate.describe(
        "make tokenizers",
        user ->
            user.getMethodCallsFromSelf().stream()
                .anyMatch(
                    call ->
                        call.getTargetOwner().isAssignableTo(HuggingFaceTokenizer.class)
                            && call.getName().equals("newInstance")));
  }

  /** Everybody else makes tensors where the model is. */
  @ArchTest
  static final ArchRule FEW_NAME_THE_CPU =
      noClasses()
          .that()
          .resideOutsideOfPackages("io.peft4j.torch..")
          .and()
          .haveNameNotMatching(
              "io\\.peft4j\\.model\\.(load\\.LoadOptions|ModelExport|Fingerprint)(\\$.*)?")
          .should()
          .callMethod(Device.class, "cpu");

  /** One file and one line of registration: nobody else has to know of a method. */
  @ArchTest
  static final ArchRule A_METHOD_IS_KNOWN_TO_ITS_OWN_FILE_ALONE =
      classes()
          .that()
          .areAssignableTo("io.peft4j.adapter.method.AdapterMethod")
          .and()
          .areNotInterfaces()
          .and()
          .doNotHaveModifier(JavaModifier.ABSTRACT)
          .should(
              new ArchCondition<>("be known to its own file alone") {
                @Override
                public void check(JavaClass method, ConditionEvents events) {
                  for (Dependency use : method.getDirectDependenciesToSelf()) {
                    String user = use.getOriginClass().getName();
                    if (!(user + "$").startsWith(method.getName() + "$")) {
                      events.add(SimpleConditionEvent.violated(method, use.getDescription()));
                    }
                  }
                }
              });

  /** Nor of its config: what is common to all methods asks {@code AdapterMethod}. */
  @ArchTest
  static final ArchRule WHAT_ALL_METHODS_USE_KNOWS_NONE =
      noClasses()
          .that()
          .resideInAnyPackage(
              "io.peft4j.adapter",
              "io.peft4j.adapter.method",
              "io.peft4j.adapter.target",
              "io.peft4j.model..",
              "io.peft4j.train..",
              "io.peft4j.torch..")
          .should()
          .dependOnClassesThat()
          .resideInAnyPackage(
              "io.peft4j.adapter.library",
              "io.peft4j.adapter.lora",
              "io.peft4j.adapter.lycoris",
              "io.peft4j.adapter.prompt",
              "io.peft4j.adapter.select");

  @ArchTest
  static final ArchRule COMMAND_LINE_STAYS_IN_THE_EXAMPLES =
      classes()
          .that()
          .resideOutsideOfPackages(CLI, EXAMPLES)
          .should()
          .onlyDependOnClassesThat(
              not(resideInAnyPackage("picocli..", "org.knowm..", "me.tongfei..")));

  /**
   * What users make and pass in gets new arguments in time, and a constructor that names them all
   * would break whoever calls it; a record has no other. So it is made by builders, by {@code of}
   * and by {@code with…}. What counts: public classes with one of these names. Not the parts of a
   * spec, which its builder makes; nor {@code StoredNames}, which are found and not told.
   */
  @ArchTest
  static final ArchRule CONFIGS_ARE_MADE_BY_BUILDERS =
      classes()
          .that()
          .haveNameMatching(
              "[\\w.]+\\.\\w*"
                  + "(Options|Config|Format|Spec|Arguments|Names|Selector|Targets|Combination)")
          .and()
          .arePublic()
          .and()
          .doNotHaveFullyQualifiedName("io.peft4j.model.load.StoredNames")
          .should(
              new ArchCondition<>("have no public constructor with parameters") {
                @Override
                public void check(JavaClass config, ConditionEvents events) {
                  for (JavaConstructor constructor : config.getConstructors()) {
                    if (constructor.getModifiers().contains(JavaModifier.PUBLIC)
                        && !constructor.getParameters().isEmpty()) {
                      events.add(SimpleConditionEvent.violated(config, constructor.getFullName()));
                    }
                  }
                }
              });

  @ArchTest
  static final ArchRule NO_CYCLES_OF_PACKAGES =
      slices().matching("io.peft4j.(**)").should().beFreeOfCycles();
}
