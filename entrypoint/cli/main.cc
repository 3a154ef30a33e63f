// The native program: the same spec, overrides and outputs as through the dispatcher, without it.
#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <string>
#include <string_view>
#include <vector>

#include <fmt/core.h>
#include <CLI/CLI.hpp>

#include "auto_label_image_grounding/base/log.h"
#include "auto_label_image_grounding/base/text.h"
#include "auto_label_image_grounding/base/version.h"
#include "auto_label_image_grounding/run/dry_run.h"
#include "auto_label_image_grounding/run/pipeline.h"
#include "auto_label_image_grounding/spec/spec.h"
#include "evaluate_command.h"
#include "progress_line.h"
#include "stop_signals.h"

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

int fail_with(const Error& error) {
  std::fputs(fmt::format("error: {}\n", error.message).c_str(), stderr);
  return error.kind == ErrorKind::kInterrupted ? interrupt_exit_code() : EXIT_FAILURE;
}

void print_outcome(const RunReport& report, const std::string& results_dir) {
  const std::string bad_lines =
      report.bad_lines == 0
          ? ""
          : fmt::format(", {} without a record", count_of(report.bad_lines, "line"));
  std::fputs(
      fmt::format("{}: {} done, {} failed{}; {}, {}; {} ({}), {} tokens in, {} out; {:.1f} s\n"
                  "results: {}/annotations.jsonl\n",
                  count_of(report.records, "record"), report.done, report.failed, bad_lines,
                  count_of(report.expressions, "expression"), count_of(report.boxes, "box"),
                  count_of(report.requests(), "request"), count_of(report.retries(), "retry"),
                  report.tokens().input, report.tokens().output + report.tokens().thinking,
                  report.seconds, results_dir)
          .c_str(),
      stdout);
}

int show_dry_run(const Spec& spec, const RunHooks& hooks) {
  const auto dry = dry_run(spec, hooks);
  if (!dry) return fail_with(dry.error());
  std::fputs(to_text(*dry).c_str(), stdout);
  return EXIT_SUCCESS;
}

int generate(const std::string& spec_path, const std::vector<std::string>& overrides, bool dry) {
  auto spec = load_spec_file(spec_path, overrides);
  if (!spec) return fail_with(spec.error());
  const auto environment = [](const char* name) -> const char* { return std::getenv(name); };
  if (auto status = resolve_environment(*spec, environment); !status) {
    return fail_with(status.error());
  }
  if (!dry) catch_stop_signals();
  const auto logger = make_stderr_logger();
  RunHooks hooks;
  hooks.logger = logger.get();
  if (dry) return show_dry_run(*spec, hooks);
  hooks.interrupt = [&logger] { return received_interrupt(*logger); };
  RunOutcome outcome;
  {
    ProgressLine line;
    hooks.on_progress = [&line](const Progress& progress) { line.show(progress); };
    outcome = run_pipeline(*spec, hooks);
  }
  if (!outcome.status) return fail_with(outcome.status.error());
  print_outcome(outcome.report, spec->results_dir);
  return EXIT_SUCCESS;
}

int default_specs(const std::vector<std::string>& arguments) {
  constexpr std::string_view kKey = "results_dir=";
  std::string folder;
  for (const std::string& argument : arguments) {
    if (argument.rfind(kKey, 0) == 0) {
      folder = argument.substr(kKey.size());
    } else if (argument.rfind("module_name=", 0) != 0 &&
               argument.rfind("autolabel_type=", 0) != 0) {
      return fail_with(
          {ErrorKind::kInvalidArgument,
           fmt::format("default_specs takes results_dir=DIR alone, not {}", argument)});
    }
  }
  if (folder.empty()) {
    return fail_with({ErrorKind::kInvalidArgument, "default_specs needs results_dir=DIR"});
  }
  // The spec's own results_dir stays open: the folder of a spec is not that of a run.
  const auto written = write_default_spec(folder, "???");
  if (!written) return fail_with(written.error());
  if (!written->kept.empty()) {
    std::fputs(fmt::format("kept what stood there: {}\n", written->kept.string()).c_str(), stdout);
  }
  std::fputs(fmt::format("default spec: {}\n", written->path.string()).c_str(), stdout);
  return EXIT_SUCCESS;
}

// Overrides were copied while they were parsed: what the process list shows of a key is wiped.
void hide_keys(int argc, char** argv) {
  for (int i = 1; i < argc; ++i) {
    const std::string_view argument = argv[i];
    // Also within a block: vlm.openai={api_key: …, base_url: …}.
    const std::size_t name_end = end_of_secret_name(argument);
    if (name_end == std::string_view::npos) continue;
    const std::size_t begin = std::min(name_end + 1, argument.size());
    std::fill(argv[i] + begin, argv[i] + argument.size(), '*');
  }
}

int main_of(int argc, char** argv) {
  CLI::App app(kAbout, "auto-label-image-grounding");
  app.set_version_flag("--version", std::string("auto-label-image-grounding ") + kVersion);
  app.require_subcommand(1);

  std::string spec_path;
  std::vector<std::string> overrides;
  CLI::App* run = app.add_subcommand("generate", "Label a dataset, or go on where a run stopped");
  run->add_option("-e,--experiment_spec_file", spec_path, "The spec (YAML)")->required();
  bool dry = false;
  run->add_flag("--dry-run", dry,
                "Check spec, input, images, endpoint, key and model; say what a run would ask. "
                "Writes nothing, costs nothing");
  run->add_option("overrides", overrides, kOverrides)->type_name("KEY=VALUE");

  std::vector<std::string> arguments;
  CLI::App* specs = app.add_subcommand(
      "default_specs", "Write DIR/experiment.yaml: every key with its default and its meaning");
  specs->add_option("arguments", arguments, "results_dir=DIR")->type_name("KEY=VALUE");

  EvaluateOptions evaluation;
  CLI::App* evaluate = add_evaluate_command(app, evaluation);

  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    return app.exit(error) == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
  }
  if (evaluate->parsed()) return run_evaluate(evaluation);
  hide_keys(argc, argv);
  return run->parsed() ? generate(spec_path, overrides, dry) : default_specs(arguments);
}

}  // namespace
}  // namespace alig

int main(int argc, char** argv) {
  try {
    return alig::main_of(argc, argv);
  } catch (const std::exception& error) {
    std::fputs(fmt::format("error: {}\n", error.what()).c_str(), stderr);
    return EXIT_FAILURE;
  }
}
