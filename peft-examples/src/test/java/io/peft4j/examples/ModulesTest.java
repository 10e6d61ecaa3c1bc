package io.peft4j.examples;

import static org.junit.jupiter.api.Assertions.assertEquals;

import io.peft4j.adapter.AdaptedModel;
import io.peft4j.cli.Peft;
import io.peft4j.cuda.GpuStatus;
import io.peft4j.quant.QuantizationConfig;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.lang.module.ModuleDescriptor;
import java.lang.module.ModuleFinder;
import java.lang.module.ModuleReader;
import java.lang.module.ModuleReference;
import java.net.URISyntaxException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.HashSet;
import java.util.Map;
import java.util.Set;
import java.util.TreeMap;
import java.util.stream.Collectors;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** What is a service on the class path is one on the module path too. */
class ModulesTest {

  @ParameterizedTest
  @ValueSource(
      classes = {AdaptedModel.class, QuantizationConfig.class, GpuStatus.class, Peft.class})
  void providesTheServicesOfTheClassPath(Class<?> member) throws Exception {
    ModuleReference module = module(member);
    Map<String, Set<String>> provided = new TreeMap<>();
    for (ModuleDescriptor.Provides provides : module.descriptor().provides()) {
      provided.put(provides.service(), new HashSet<>(provides.providers()));
    }
    assertEquals(services(module), provided);
  }

  private static ModuleReference module(Class<?> member) throws URISyntaxException {
    Path place = Path.of(member.getProtectionDomain().getCodeSource().getLocation().toURI());
    return ModuleFinder.of(place).findAll().iterator().next();
  }

  private static Map<String, Set<String>> services(ModuleReference module) throws IOException {
    String folder = "META-INF/services/";
    try (ModuleReader reader = module.open()) {
      return reader
          .list()
          .filter(name -> name.startsWith(folder) && !name.endsWith("/"))
          .collect(
              Collectors.toMap(
                  name -> name.substring(folder.length()),
                  name -> read(reader, name),
                  (one, other) -> one,
                  TreeMap::new));
    }
  }

  private static Set<String> read(ModuleReader reader, String name) {
    try {
      return reader
          .open(name)
          .map(
              in -> {
                try (in) {
                  return new String(in.readAllBytes(), StandardCharsets.UTF_8);
                } catch (IOException e) {
                  throw new UncheckedIOException(e);
                }
              })
          .orElseThrow()
          .lines()
          .map(String::strip)
          .filter(line -> !line.isEmpty() && !line.startsWith("#"))
          .collect(Collectors.toSet());
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
  }
}
