#include "command_line.h"

#include <cstdlib>

#include <CLI/CLI.hpp>

#include "auto_label_image_grounding/base/version.h"

namespace alig {
namespace {

constexpr const char* kAbout =
    R"(Turns (image, caption) pairs into grounded annotations with a vision-language model.

Begin with five to ten images and look at the result:
  auto-label-image-grounding default_specs results_dir=specs
  export GOOGLE_API_KEY=…
  auto-label-image-grounding generate -e specs/experiment.yaml results_dir=out \
      image_grounding.data.input_jsonl=captions.jsonl image_grounding.data.image_root=images

Results: out/annotations.jsonl, out/summary.json, out/failures.jsonl. The same command again goes on
where it stopped and asks nothing twice.)";

constexpr const char* kOverrides =
    "Values that replace the spec's, e.g. image_grounding.workflow.max_workers=64";

constexpr const char* kEvaluateAbout =
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

CLI::App* add_generate(CLI::App& app, GenerateOptions& options) {
  CLI::App* command =
      app.add_subcommand("generate", "Label a dataset, or go on where a run stopped");
  command->add_option("-e,--experiment_spec_file", options.spec_path, "The spec (YAML)")
      ->required();
  command->add_flag("--dry-run", options.dry_run,
                    "Check spec, input, images, endpoint, key and model; say what a run would ask. "
                    "Writes nothing, costs nothing");
  command->add_option("overrides", options.overrides, kOverrides)->type_name("KEY=VALUE");
  return command;
}

CLI::App* add_evaluate(CLI::App& app, EvaluateOptions& options) {
  CLI::App* command = app.add_subcommand("evaluate", kEvaluateAbout);
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

}  // namespace

CommandLine parse_command_line(int argc, const char* const* argv) {
  CommandLine out;
  CLI::App app(kAbout, "auto-label-image-grounding");
  app.set_version_flag("--version", std::string("auto-label-image-grounding ") + kVersion);
  app.require_subcommand(1);
  const CLI::App* generate = add_generate(app, out.generate);
  CLI::App* specs = app.add_subcommand(
      "default_specs", "Write DIR/experiment.yaml: every key with its default and its meaning");
  specs->add_option("arguments", out.default_specs_arguments, "results_dir=DIR")
      ->type_name("KEY=VALUE");
  const CLI::App* evaluate = add_evaluate(app, out.evaluate);
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    out.exit_status = app.exit(error) == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
    return out;
  }
  using enum CommandLine::Command;
  out.command = generate->parsed() ? kGenerate : evaluate->parsed() ? kEvaluate : kDefaultSpecs;
  return out;
}

}  // namespace alig
