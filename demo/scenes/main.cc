// demo-scenes: images with known truth.
#include <cstdint>
#include <cstdio>
#include <exception>
#include <map>
#include <string>

#include <CLI/CLI.hpp>

#include "dataset.h"

namespace {

struct Options {
  std::string out;
  int count = 12;
  std::uint32_t seed = 1;
  demo::Sizes sizes = demo::Sizes::kEveryday;
};

void add_commands(CLI::App& app, Options& options) {
  app.require_subcommand(1);
  CLI::App* generate = app.add_subcommand("generate", "Draw scenes: images, captions and truth");
  generate->add_option("--out", options.out, "Folder to write to")->required();
  generate->add_option("--count", options.count, "Records")
      ->capture_default_str()
      ->check(CLI::Range(demo::kMinRecords, 1000000));
  generate
      ->add_option("--sizes", options.sizes,
                   "everyday (320 to 2304 pixels) or extreme (beyond 4000, 1:5, rotated)")
      ->transform(CLI::CheckedTransformer(
          std::map<std::string, demo::Sizes>{{"everyday", demo::Sizes::kEveryday},
                                             {"extreme", demo::Sizes::kExtreme}},
          CLI::ignore_case));
  generate->add_option("--seed", options.seed, "The same seed draws the same scenes")
      ->capture_default_str();
}

}  // namespace

int main(int argc, char** argv) {
  CLI::App app("Images of plain shapes with known truth, to label and to evaluate with.");
  Options options;
  add_commands(app, options);
  CLI11_PARSE(app, argc, argv);
  try {
    demo::write_dataset(options.out, options.count, options.seed, options.sizes);
    return 0;
  } catch (const std::exception& error) {
    std::fprintf(stderr, "error: %s\n", error.what());
    return 2;
  }
}
