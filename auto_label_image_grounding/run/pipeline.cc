#include "auto_label_image_grounding/run/pipeline.h"

#include <algorithm>
#include <array>
#include <chrono>
#include <ctime>
#include <filesystem>
#include <optional>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include <fmt/ranges.h>

#include "auto_label_image_grounding/base/files.h"
#include "auto_label_image_grounding/base/key_names.h"
#include "auto_label_image_grounding/base/text.h"
#include "auto_label_image_grounding/results/published_files.h"
#include "auto_label_image_grounding/run/failure_verdict.h"
#include "auto_label_image_grounding/run/labelling.h"
#include "auto_label_image_grounding/run/record_job.h"
#include "auto_label_image_grounding/run/run_plan.h"
#include "auto_label_image_grounding/run/spec_secrets.h"

namespace alig {
namespace {

using std::chrono::seconds;

std::string utc_now(const Clock& clock) {
  const auto now = std::chrono::time_point_cast<seconds>(clock.wall_now());
  const std::time_t time = std::chrono::system_clock::to_time_t(now);
  std::tm utc{};
  ::gmtime_r(&time, &utc);
  std::array<char, 32> text{};
  return {text.data(), std::strftime(text.data(), text.size(), "%Y-%m-%dT%H:%M:%SZ", &utc)};
}

class PipelineRun {
 public:
  PipelineRun(const Spec& spec, const RunHooks& hooks, RunEnvironment& environment)
      : spec_(spec),
        hooks_(hooks),
        environment_(environment),
        clock_(environment.clock != nullptr ? *environment.clock : system_clock_),
        dir_{spec.results_dir},
        store_(dir_),
        warnings_(*hooks.logger) {}

  RunOutcome run() {
    const TimePoint start = clock_.now();
    report_.started_at = utc_now(clock_);
    // A misspelt results_dir leaves no folder behind if the run cannot start.
    std::error_code ignored;
    const bool known = std::filesystem::exists(dir_.root, ignored);
    Status status = known ? Status() : check_inputs(spec_, dir_);
    if (status) status = prepare_folder();
    const bool usable = status.has_value();
    if (status) status = work();
    report_.seconds = in_seconds(clock_.now() - start);
    note_status(status);
    if (usable) status = write_summary(status);
    return {std::move(report_), std::move(status)};
  }

 private:
  Status prepare_folder() {
    if (auto made = make_directories(dir_.root); !made) return made;
    if (auto writable = check_writable(dir_, spec_.workflow.steps); !writable) return writable;
    auto lock = RunLock::acquire(dir_);
    if (!lock) return tl::unexpected(lock.error());
    lock_.emplace(std::move(*lock));
    return dir_.clean_temporaries();
  }

  Status work() {
    ModelChoice model = choose_model(spec_.vlm);
    describe_model(model);
    const auto plan =
        make_run_plan(spec_, dir_, std::move(model), [this] { return check_interrupt(hooks_); });
    if (!plan) return tl::unexpected(plan.error());
    note_input(*plan);
    for (std::string& doubt : prompt_warnings(*plan)) warnings_.add(std::move(doubt));
    if (auto status = prepare_checkpoints(); !status) return status;
    RunContext context{*plan, store_};
    for (const Step step : StepSet::all()) context.resumes[step] = store_.holds_any(step);
    return label(context);
  }

  void describe_model(const ModelChoice& model) {
    const CoordinateChoice& coordinates = model.coordinates;
    report_.backend = spec_.vlm.backend == Backend::kGemini ? "gemini" : "openai";
    report_.model = model.backends.front()->model();
    report_.coordinates = name_of(coordinates.convention);
    report_.coordinates_setting = spec_.vlm.coordinates;
    report_.model_family = coordinates.family->name;
    report_.steps = spec_.workflow.steps;
    hooks_.logger->info("model {} ({}): boxes are asked for and read as {} ({})", report_.model,
                        report_.backend, report_.coordinates,
                        coordinates.automatic
                            ? fmt::format("model family: {}", coordinates.family->name)
                            : key::kCoordinates);
    if (coordinates.family->caution != nullptr) warnings_.add(coordinates.family->caution);
  }

  void note_input(const RunPlan& plan) {
    const std::vector<BadLine>& bad_lines = plan.dataset.bad_lines();
    RunCounts& counts = report_.counts;
    counts.input_records = static_cast<std::int64_t>(plan.dataset.size());
    counts.bad_lines = static_cast<std::int64_t>(bad_lines.size() + plan.earlier.bad_lines());
    if (counts.bad_lines > 0) counts.records.failures_by_kind["bad_line"] = counts.bad_lines;
    if (plan.earlier.of_another_run()) {
      warnings_.add(
          fmt::format("{} is not of the run that wrote {}: what its input's bad lines were is not "
                      "known; a run with {}=[\"0\",\"1\"] finds them again",
                      dir_.failures().string(), plan.input.string(), key::kSteps));
    }
    constexpr std::size_t kShown = 5;
    for (std::size_t i = 0; i < std::min(kShown, bad_lines.size()); ++i) {
      hooks_.logger->warning("{}:{}: {}", plan.input.string(), bad_lines[i].number,
                             bad_lines[i].message);
    }
    std::vector<std::string> steps;
    for (const Step step : spec_.workflow.steps) steps.emplace_back(name_of(step));
    hooks_.logger->info("{}, {}, {} {}", count_of(counts.input_records, "record"),
                        count_of(static_cast<std::int64_t>(plan.dataset.groups()), "image"),
                        steps.size() > 1 ? "steps" : "step", fmt::join(steps, " and "));
    if (counts.input_records == 0) warnings_.add("the input holds no record");
  }

  Status prepare_checkpoints() {
    const StepSet steps = spec_.workflow.steps;
    if (auto status = store_.finish_discard(); !status) return status;
    if (spec_.workflow.force_reprocess) {
      for (const Step step : steps) {
        const auto kept = give_up_edits(dir_, step);
        if (!kept) return tl::unexpected(kept.error());
        if (*kept) warn_of_kept({dir_.step_annotations(step), **kept});
      }
      if (auto status = store_.discard(steps); !status) return status;
    } else if (auto status =
                   refuse_edited_outputs(dir_, steps, [this] { return check_interrupt(hooks_); });
               !status) {
      return status;
    }
    return store_.prepare(steps);
  }

  Status label(const RunContext& context) {
    const RunPlan& plan = context.plan;
    RunContext rereading = context;  // finds what this run has saved
    rereading.resumes = for_each_step(true);
    auto writer = OutputWriter::create(
        {dir_, spec_.workflow.steps, plan.dataset.next_expression_id(), plan.dataset.bad_lines(),
         plan.input.string(), plan.earlier},
        plan.dataset.size(), [&rereading](std::size_t index) { return reload(rereading, index); });
    if (!writer) return tl::unexpected(writer.error());
    ConventionWatch convention(plan.coordinates.convention, warnings_);
    const Status labelled = label_records(context, *writer, convention);
    const Status published = labelled ? writer->publish() : labelled;
    for (const OutputWriter::KeptFile& file : writer->kept_files()) warn_of_kept(file);
    report_.counts.records += writer->counts();
    report_.counts.labels += writer->label_counts();
    FailureVerdict verdict;
    if (published) verdict = judge_failures(plan, report_.counts);
    if (!verdict.warning.empty()) warnings_.add(std::move(verdict.warning));
    report_.convention_doubt = convention.judge(report_.counts.labels.convention);
    return verdict.too_many ? tl::unexpected(verdict.too_many->error()) : published;
  }

  Status label_records(const RunContext& context, OutputWriter& writer,
                       ConventionWatch& convention) {
    auto transport = std::move(environment_.transport);
    if (!transport) transport = open_transport(spec_);
    const unsigned threads = environment_.pool_threads > 0 ? environment_.pool_threads
                                                           : std::thread::hardware_concurrency();
    Labelling labelling(
        {context, hooks_, clock_, std::move(transport), threads, writer, convention, warnings_});
    Status status = labelling.run();
    report_.counts += labelling.counts();
    report_.lowest_concurrency = labelling.lowest_concurrency();
    report_.endpoints = labelling.endpoints();
    return status;
  }

  static Result<FinishedRecord> reload(const RunContext& context, std::size_t index) {
    RunCounts ignored;
    auto record = load_record(context, index, ignored);
    if (!record) return tl::unexpected(record.error());
    if (!has_all_results(facts_of(*record, context), context.rules())) {
      return fail(ErrorKind::kIo, fmt::format("the checkpoint of {} vanished during the run: run "
                                              "again to recreate it",
                                              checkpoint_name(record->name)));
    }
    return to_finished(*record, context.plan.dataset.line_number(index));
  }

  void warn_of_kept(const OutputWriter::KeptFile& file) {
    warnings_.add(fmt::format("{} held what this program did not write there; it is kept as {}",
                              file.path.string(), file.kept_as.string()));
  }

  void note_status(const Status& status) {
    for (std::string& warning : warnings_of(report_)) warnings_.add(std::move(warning));
    report_.warnings = warnings_.texts();
    report_.status = "succeeded";
    if (status) return;
    report_.message = status.error().message;
    const ErrorKind kind = status.error().kind;
    report_.status = kind == ErrorKind::kInterrupted ? "interrupted" : "failed";
  }

  // An error of the run itself is the more important one.
  Status write_summary(const Status& status) {
    const std::string text = to_json_text(report_, 2) + "\n";
    auto written = write_file_atomically(dir_.summary(), text, Sync::kYes, dir_.temporaries());
    return status ? written : status;
  }

  const Spec& spec_;
  const RunHooks& hooks_;
  RunEnvironment& environment_;
  SystemClock system_clock_;
  const Clock& clock_;
  ResultsDir dir_;
  CheckpointStore store_;
  std::optional<RunLock> lock_;
  Warnings warnings_;
  RunReport report_;
};

}  // namespace

RunOutcome run_pipeline(const Spec& spec, const RunHooks& hooks, RunEnvironment environment) {
  return PipelineRun(spec, hooks, environment).run();
}

}  // namespace alig
