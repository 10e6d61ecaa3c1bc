package io.peft4j.examples;

import static com.tngtech.archunit.base.DescribedPredicate.not;
import static com.tngtech.archunit.core.domain.JavaClass.Predicates.resideInAnyPackage;
import static com.tngtech.archunit.lang.syntax.ArchRuleDefinition.classes;
import static com.tngtech.archunit.lang.syntax.ArchRuleDefinition.noClasses;
import static com.tngtech.archunit.library.dependencies.SlicesRuleDefinition.slices;

import com.tngtech.archunit.core.domain.JavaClass;
import com.tngtech.archunit.core.importer.ImportOption.DoNotIncludeTests;
import com.tngtech.archunit.junit.AnalyzeClasses;
import com.tngtech.archunit.junit.ArchTest;
import com.tngtech.archunit.lang.ArchRule;
import com.tngtech.archunit.library.dependencies.SliceAssignment;
import com.tngtech.archunit.library.dependencies.SliceIdentifier;

/** What may use what; see docs/architecture.md. */
@AnalyzeClasses(packages = "io.peft4j", importOptions = DoNotIncludeTests.class)
class ModuleBoundariesTest {

  private static final String QUANT = "io.peft4j.quant..";
  private static final String CUDA = "io.peft4j.cuda..";
  private static final String EXAMPLES = "io.peft4j.examples..";

  @ArchTest
  static final ArchRule CORE_STANDS_ALONE =
      noClasses()
          .that()
          .resideOutsideOfPackages(QUANT, CUDA, EXAMPLES)
          .should()
          .dependOnClassesThat()
          .resideInAnyPackage(QUANT, CUDA, EXAMPLES, "jcuda..");

  @ArchTest
  static final ArchRule QUANT_USES_CORE_ALONE =
      noClasses()
          .that()
          .resideInAPackage(QUANT)
          .should()
          .dependOnClassesThat()
          .resideInAnyPackage(CUDA, EXAMPLES, "jcuda..")
          // until there is a class in it
          .allowEmptyShould(true);

  @ArchTest
  static final ArchRule CUDA_USES_NO_EXAMPLES =
      noClasses()
          .that()
          .resideInAPackage(CUDA)
          .should()
          .dependOnClassesThat()
          .resideInAPackage(EXAMPLES)
          .allowEmptyShould(true);

  @ArchTest
  static final ArchRule ONE_BRIDGE_TO_LIBTORCH =
      noClasses()
          .that()
          .resideOutsideOfPackages("io.peft4j.torch..", "io.peft4j.djl..")
          .and()
          // the bridge's other half: tensors over the GPU memory that the kernels take
          .haveNameNotMatching("io\\.peft4j\\.cuda\\.TorchTensors(\\$.*)?")
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
          .and()
          .resideOutsideOfPackage(CUDA)
          .should()
          .dependOnClassesThat()
          .resideInAPackage("com.sun.jna..");

  @ArchTest
  static final ArchRule COMMAND_LINE_STAYS_IN_THE_EXAMPLES =
      classes()
          .that()
          .resideOutsideOfPackage(EXAMPLES)
          .should()
          .onlyDependOnClassesThat(
              not(resideInAnyPackage("picocli..", "org.knowm..", "me.tongfei..")));

  /** The examples are one slice: their command line names each of them. */
  @ArchTest
  static final ArchRule NO_CYCLES_OF_PACKAGES =
      slices()
          .assignedFrom(
              new SliceAssignment() {
                @Override
                public SliceIdentifier getIdentifierOf(JavaClass type) {
                  String name = type.getPackageName();
                  return SliceIdentifier.of(
                      name.startsWith("io.peft4j.examples") ? "io.peft4j.examples" : name);
                }

                @Override
                public String getDescription() {
                  return "packages";
                }
              })
          .should()
          .beFreeOfCycles();
}
