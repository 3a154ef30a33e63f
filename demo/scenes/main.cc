// demo-scenes: pictures with known truth, and how well annotations meet it.
#include <cstdint>
#include <cstdio>
#include <exception>
#include <map>
#include <string>

#include <CLI/CLI.hpp>

#include "dataset.h"
#include "score.h"

namespace {

struct Options {
  std::string out, pred, truth;
  int count = 12;
  std::uint32_t seed = 1;
  bool json = false;
  demo::Sizes sizes = demo::Sizes::kEveryday;
};

void add_commands(CLI::App& app, Options& options) {
  app.require_subcommand(1);
  CLI::App* generate = app.add_subcommand("generate", "Draw scenes: images, captions and truth");
  generate->add_option("--out", options.out, "Folder to write to")->required();
  generate->add_option("--count", options.count, "Records")
      ->capture_default_str()
      ->check(CLI::Range(demo::kLeastRecords, 1000000));
  generate
      ->add_option("--sizes", options.sizes,
                   "everyday (320 to 2304 pixels) or extreme (beyond 4000, 1:5, rotated)")
      ->transform(CLI::CheckedTransformer(
          std::map<std::string, demo::Sizes>{{"everyday", demo::Sizes::kEveryday},
                                             {"extreme", demo::Sizes::kExtreme}},
          CLI::ignore_case));
  generate->add_option("--seed", options.seed, "The same seed draws the same scenes")
      ->capture_default_str();
  CLI::App* score = app.add_subcommand(
      "score",
      "Compare annotations with the truth; exit code 1 on a false span, a missing record "
      "or a wrong order");
  score->add_option("--pred", options.pred, "annotations.jsonl")->required();
  score->add_option("--truth", options.truth, "truth.jsonl")->required();
  score->add_flag("--json", options.json, "Print JSON");
}

int run(const CLI::App& app, const Options& options) {
  if (app.got_subcommand("generate")) {
    demo::write_dataset(options.out, options.count, options.seed, options.sizes);
    return 0;
  }
  const demo::Score score = demo::score_annotations(options.pred, options.truth);
  std::fputs((options.json ? demo::to_json(score) : demo::to_text(score)).c_str(), stdout);
  return score.problems.empty() ? 0 : 1;
}

}  // namespace

int main(int argc, char** argv) {
  CLI::App app("Pictures of plain shapes with known truth, and a score for annotations of them.");
  Options options;
  add_commands(app, options);
  CLI11_PARSE(app, argc, argv);
  try {
    return run(app, options);
  } catch (const std::exception& error) {
    std::fprintf(stderr, "error: %s\n", error.what());
    return 2;
  }
}
