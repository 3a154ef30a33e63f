// The native program: the same spec, overrides and outputs as through the dispatcher, without it.
#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <string>
#include <string_view>
#include <vector>

#include <fmt/core.h>

#include "auto_label_image_grounding/base/log.h"
#include "auto_label_image_grounding/base/text.h"
#include "auto_label_image_grounding/run/dry_run.h"
#include "auto_label_image_grounding/run/pipeline.h"
#include "auto_label_image_grounding/spec/spec.h"
#include "command_line.h"
#include "evaluate_command.h"
#include "progress_line.h"
#include "stop_signals.h"

namespace alig {
namespace {

int fail_with(const Error& error) {
  std::fputs(fmt::format("error: {}\n", error.message).c_str(), stderr);
  return error.kind == ErrorKind::kInterrupted ? interrupt_exit_code() : EXIT_FAILURE;
}

void print_outcome(const RunReport& report, const std::string& results_dir) {
  const RunCounts& counts = report.counts;
  const StepCallCounts calls = counts.calls.total();
  const std::string bad_lines =
      counts.bad_lines == 0
          ? ""
          : fmt::format(", {} without a record", count_of(counts.bad_lines, "line"));
  std::fputs(
      fmt::format("{}: {} done, {} failed{}; {}, {}; {} ({}), {} tokens in, {} out; {:.1f} s\n"
                  "results: {}/annotations.jsonl\n",
                  count_of(counts.input_records, "record"), counts.records.done,
                  counts.records.failed, bad_lines,
                  count_of(counts.records.expressions, "expression"),
                  count_of(counts.records.boxes, "box"), count_of(calls.requests, "request"),
                  count_of(calls.retries, "retry"), calls.tokens.input,
                  calls.tokens.output + calls.tokens.thinking, report.seconds, results_dir)
          .c_str(),
      stdout);
}

int show_dry_run(const Spec& spec, const RunHooks& hooks) {
  const auto dry = dry_run(spec, hooks);
  if (!dry) return fail_with(dry.error());
  std::fputs(to_text(*dry).c_str(), stdout);
  return EXIT_SUCCESS;
}

int generate(const GenerateOptions& options) {
  auto spec = load_spec_file(options.spec_path, options.overrides);
  if (!spec) return fail_with(spec.error());
  const auto environment = [](const char* name) -> const char* { return std::getenv(name); };
  if (auto status = resolve_environment(*spec, environment); !status) {
    return fail_with(status.error());
  }
  if (!options.dry_run) catch_stop_signals();
  const auto logger = make_stderr_logger();
  RunHooks hooks;
  hooks.logger = logger.get();
  if (options.dry_run) return show_dry_run(*spec, hooks);
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
    std::fputs(
        fmt::format("moved the existing {} to {}\n", written->path.string(), written->kept.string())
            .c_str(),
        stdout);
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
  const CommandLine line = parse_command_line(argc, argv);
  if (line.command != CommandLine::Command::kEvaluate) hide_keys(argc, argv);
  switch (line.command) {
    case CommandLine::Command::kGenerate:
      return generate(line.generate);
    case CommandLine::Command::kDefaultSpecs:
      return default_specs(line.default_specs_arguments);
    case CommandLine::Command::kEvaluate:
      return run_evaluate(line.evaluate);
    case CommandLine::Command::kNone:
      break;
  }
  return line.exit_status;
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
