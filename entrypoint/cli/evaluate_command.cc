#include "evaluate_command.h"

#include <cstdio>
#include <cstdlib>

#include <fmt/core.h>
#include <nlohmann/json.hpp>

#include "auto_label_image_grounding/base/json_text.h"
#include "auto_label_image_grounding/evaluation/evaluate.h"
#include "auto_label_image_grounding/evaluation/evaluation_report.h"

namespace alig {
namespace {

constexpr const char* kAbout =
    R"(Compare annotations with known truth.

The truth is JSONL, one record a line, with the image_path and caption of the input:
  {"image_path": "a.jpg", "caption": "A man walks his dog.",
   "gt": [{"phrase": "a man", "boxes": [[10, 20, 110, 220]], "span": [0, 5]}]}
Boxes are [x1, y1, x2, y2] in pixels of the upright image (after EXIF rotation; width and height
in the truth are not read). span (code points of the caption) and crowd_boxes (regions of uncounted
things, where a box is neither right nor wrong) may be left out. "gt": null means that nothing is
known. Expressions that the truth does not speak of are not judged.

Example: auto-label-image-grounding evaluate --pred out/annotations.jsonl --truth truth.jsonl
Exit status: 0; 1 where a file cannot be read, or by --min-iou and --strict.)";

}  // namespace

CLI::App* add_evaluate_command(CLI::App& app, EvaluateOptions& options) {
  CLI::App* command = app.add_subcommand("evaluate", kAbout);
  command->add_option("--pred", options.annotations, "annotations.jsonl of a run")->required();
  command->add_option("--truth", options.truth, "The truth (JSONL)")->required();
  command->add_option("--worst", options.worst, "So many of the worst phrases are named")
      ->capture_default_str()
      ->check(CLI::Range(0, 1000));
  command
      ->add_option("--min-iou", options.min_iou,
                   "Exit status 1 where the mean IoU over the truth's boxes is lower")
      ->check(CLI::Range(0.0, 1.0));
  command->add_flag("--strict", options.strict,
                    "Exit status 1 on false spans, missing or extra records, or another order");
  command->add_flag("--json", options.json, "Print JSON instead of a table");
  return command;
}

int run_evaluate(const EvaluateOptions& options) {
  const auto evaluation = evaluate(options.annotations, options.truth, options.worst);
  if (!evaluation) {
    std::fputs(fmt::format("error: {}\n", evaluation.error().message).c_str(), stderr);
    return EXIT_FAILURE;
  }
  const std::string text =
      options.json ? json_text(to_json(*evaluation), 2) + "\n" : to_text(*evaluation);
  std::fputs(text.c_str(), stdout);
  // Written so that "nan" asks for what nothing fulfils.
  const bool too_low = !(evaluation->mean_iou() >= options.min_iou);
  const bool broken = options.strict && evaluation->has_problems();
  return too_low || broken ? EXIT_FAILURE : EXIT_SUCCESS;
}

}  // namespace alig
