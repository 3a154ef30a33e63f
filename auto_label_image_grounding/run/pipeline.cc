#include "auto_label_image_grounding/run/pipeline.h"

#include <algorithm>
#include <array>
#include <chrono>
#include <ctime>
#include <filesystem>
#include <future>
#include <optional>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include <fmt/ranges.h>

#include "auto_label_image_grounding/base/files.h"
#include "auto_label_image_grounding/base/text.h"
#include "auto_label_image_grounding/base/version.h"
#include "auto_label_image_grounding/http/curl_transport.h"
#include "auto_label_image_grounding/run/dataset.h"
#include "auto_label_image_grounding/run/earlier_failures.h"
#include "auto_label_image_grounding/run/event_loop.h"
#include "auto_label_image_grounding/run/image_job.h"
#include "auto_label_image_grounding/run/job_runner.h"
#include "auto_label_image_grounding/run/output_writer.h"
#include "auto_label_image_grounding/run/published_files.h"
#include "auto_label_image_grounding/run/results_dir.h"
#include "auto_label_image_grounding/run/run_inputs.h"
#include "auto_label_image_grounding/run/spec_secrets.h"
#include "auto_label_image_grounding/run/thread_pool.h"
#include "auto_label_image_grounding/run/vlm_caller.h"

namespace alig {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

constexpr Duration kTick = milliseconds(100);
constexpr Duration kSyncInterval = seconds(10);
constexpr Duration kGrace = seconds(10);  // for what is in flight when a run ends early

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
        steps_(selected_steps(spec)),
        store_(dir_) {}

  RunOutcome run() {
    const TimePoint start = clock_.now();
    report_.started_at = utc_now(clock_);
    // A misspelt results_dir leaves no folder behind where the run cannot begin.
    std::error_code ignored;
    const bool known = std::filesystem::exists(dir_.root, ignored);
    Status status = known ? Status() : check_inputs(spec_, dir_);
    if (status) status = prepare_folder();
    const bool usable = status.has_value();
    if (status) status = work();
    report_.seconds = std::chrono::duration<double>(clock_.now() - start).count();
    note_status(status);
    if (usable) status = write_summary(status);
    return {std::move(report_), std::move(status)};
  }

 private:
  Status prepare_folder() {
    if (auto made = make_directories(dir_.root); !made) return made;
    if (auto writable = check_writable(dir_, steps_); !writable) return writable;
    auto lock = RunLock::acquire(dir_);
    if (!lock) return tl::unexpected(lock.error());
    lock_.emplace(std::move(*lock));
    return dir_.clean_temporaries();
  }

  Status work() {
    backend_ = make_backend(spec_.vlm);
    describe_run();
    auto dataset = open_dataset(spec_, dir_, [this] { return check_interrupt(hooks_); });
    if (!dataset) return tl::unexpected(dataset.error());
    auto earlier = open_earlier_failures(spec_, dir_);
    if (!earlier) return tl::unexpected(earlier.error());
    note_input(*dataset, *earlier);
    auto prompts = load_prompts(spec_.prompts);
    if (!prompts) return tl::unexpected(prompts.error());
    for (std::string& doubt : doubts_about(*prompts, coordinates_.convention)) {
      warn(std::move(doubt));
    }
    if (auto status = prepare_checkpoints(); !status) return status;

    // Looked at before the first save.
    const std::array<bool, 2> resumes = {store_.holds_any(Step::kExtraction),
                                         store_.holds_any(Step::kGrounding)};
    const RunContext context{spec_,
                             store_,
                             *dataset,
                             coordinates_,
                             std::move(prompts->extraction),
                             std::move(prompts->grounding),
                             backend_->model(),
                             resumes};
    return label(context, std::move(*earlier));
  }

  void describe_run() {
    coordinates_ = choose_coordinates(spec_.vlm.coordinates, backend_->model());
    report_.backend = spec_.vlm.backend == Backend::kGemini ? "gemini" : "openai";
    report_.model = backend_->model();
    report_.coordinates = name_of(coordinates_.convention);
    report_.coordinates_setting = spec_.vlm.coordinates;
    report_.model_family = coordinates_.family->name;
    for (const Step step : steps_) report_.steps.emplace_back(name_of(step));
    hooks_.logger->info("model {} ({}): boxes are asked for and read as {} ({})", report_.model,
                        report_.backend, report_.coordinates,
                        coordinates_.automatic
                            ? fmt::format("model family: {}", coordinates_.family->name)
                            : "vlm.coordinates");
    if (coordinates_.family->caution != nullptr) warn(coordinates_.family->caution);
  }

  void note_input(const Dataset& dataset, const EarlierFailures& earlier) {
    report_.records = static_cast<std::int64_t>(dataset.size());
    report_.bad_lines = static_cast<std::int64_t>(dataset.bad_lines().size() + earlier.bad_lines());
    if (report_.bad_lines > 0) report_.failures_by_kind["bad_line"] = report_.bad_lines;
    if (earlier.of_another_run()) {
      warn(
          fmt::format("{} is not of the run that wrote {}: what its input's bad lines were is not "
                      "known; a run with image_grounding.workflow.steps=[\"0\",\"1\"] finds them "
                      "again",
                      dir_.failures().string(), input_path(spec_, dir_).string()));
    }
    constexpr std::size_t kShown = 5;
    for (std::size_t i = 0; i < std::min(kShown, dataset.bad_lines().size()); ++i) {
      const BadLine& bad = dataset.bad_lines()[i];
      hooks_.logger->warning("{}:{}: {}", input_path(spec_, dir_).string(), bad.number,
                             bad.message);
    }
    hooks_.logger->info("{}, {}, {} {}", count_of(report_.records, "record"),
                        count_of(static_cast<std::int64_t>(dataset.groups()), "image"),
                        report_.steps.size() > 1 ? "steps" : "step",
                        fmt::join(report_.steps, " and "));
    if (report_.records == 0) warn("the input holds no record");
  }

  Status prepare_checkpoints() {
    if (auto status = store_.finish_discard(); !status) return status;
    if (spec_.workflow.force_reprocess) {
      for (const Step step : steps_) {
        const auto kept = give_up_edits(dir_, step);
        if (!kept) return tl::unexpected(kept.error());
        if (*kept) warn_of_kept({dir_.step_annotations(step), **kept});
      }
      if (auto status = store_.discard(steps_); !status) return status;
    } else if (auto status =
                   refuse_edited_outputs(dir_, steps_, [this] { return check_interrupt(hooks_); });
               !status) {
      return status;
    }
    return store_.prepare(steps_);
  }

  Status label(const RunContext& context, EarlierFailures earlier) {
    RunContext rereading = context;  // finds what this run has saved
    rereading.resumes = {true, true};
    auto writer = OutputWriter::create(
        {dir_, spec_.workflow.extract, spec_.workflow.ground, context.dataset.next_expression_id(),
         context.dataset.bad_lines(), input_path(spec_, dir_).string(), std::move(earlier)},
        context.dataset.size(), report_,
        [&rereading](std::size_t index) { return reload(rereading, index); });
    if (!writer) return tl::unexpected(writer.error());

    EventLoop loop(clock_);
    auto pool = std::make_unique<ThreadPool>(pool_threads());
    std::unique_ptr<HttpTransport> transport = open_transport();
    const auto end_run = [this](Error error) { this->end_run(std::move(error)); };
    VlmCaller caller(
        {loop, *pool, clock_, *transport, *backend_, *hooks_.logger, report_, secrets_of(spec_)},
        caller_limits(), end_run);
    JobRunner runner({context, loop, *pool, caller, *writer, report_},
                     backend_->max_output_tokens(), end_run);
    stop_parts_ = [&](bool cancel) {
      caller.stop();
      runner.stop();
      if (cancel) transport->cancel_all();
    };
    // Whoever still works on another thread comes to an end before anything that it uses goes, also
    // where an exception leaves this function.
    const auto finish_parts = [&] {
      stop_parts_(true);
      transport.reset();
      pool.reset();
      loop.clear();
      report_.lowest_concurrency = caller.lowest_concurrency();
    };
    try {
      runner.start();
      loop.run([&] { return writer->complete() || has_ended(caller); }, kTick,
               [&] { tick(caller); });
    } catch (...) {
      finish_parts();
      throw;
    }
    finish_parts();
    if (!writer->complete()) return tl::unexpected(*end_);
    const Status published = writer->publish();
    for (const OutputWriter::KeptFile& file : writer->kept_files()) warn_of_kept(file);
    return published ? judge_failures() : published;
  }

  static Result<FinishedRecord> reload(const RunContext& context, std::size_t index) {
    RunReport ignored;
    auto record = load_record(context, index, ignored);
    if (!record) return tl::unexpected(record.error());
    const bool whole =
        (!context.extracts() || record->extraction) && (!context.grounds() || record->grounding);
    if (!whole) {
      return fail(ErrorKind::kIo, fmt::format("the checkpoint of {} vanished during the run: run "
                                              "again to make it anew",
                                              checkpoint_name(record->name)));
    }
    FinishedRecord out;
    out.sample = std::move(record->sample);
    if (record->extraction) out.extraction = std::move(*record->extraction);
    if (record->grounding) out.grounding = std::move(*record->grounding);
    return out;
  }

  unsigned pool_threads() const {
    return environment_.pool_threads > 0 ? environment_.pool_threads
                                         : std::thread::hardware_concurrency();
  }

  std::unique_ptr<HttpTransport> open_transport() {
    if (environment_.transport) return std::move(environment_.transport);
    CurlTransportOptions options;
    options.max_connections = spec_.workflow.max_workers;
    options.user_agent = fmt::format("auto-label-image-grounding/{}", kVersion);
    return make_curl_transport(options);
  }

  CallerLimits caller_limits() const {
    CallerLimits limits;
    limits.max_in_flight = spec_.workflow.max_workers;
    limits.max_requests = spec_.workflow.max_requests;
    limits.requests_per_minute = spec_.vlm.requests_per_minute;
    limits.tokens_per_minute = spec_.vlm.tokens_per_minute;
    limits.structured_output = spec_.vlm.structured_output;
    limits.retry.max_retries = spec_.vlm.max_retries;
    limits.retry.rate_limit_patience = std::chrono::duration_cast<Duration>(
        std::chrono::duration<double>(spec_.vlm.rate_limit_patience));
    return limits;
  }

  // The first reason wins; a later one changes nothing.
  void end_run(Error error) {
    if (end_) return;
    const TimePoint now = clock_.now();
    end_ = std::move(error);
    deadline_ = deadline_of(end_->kind, now);
    stop_parts_(deadline_ <= now);
  }

  // Until when what is in flight may finish: it is paid for, also where the endpoint refuses the
  // next request. Where a disk is full, its answers could not be kept anyway.
  static TimePoint deadline_of(ErrorKind reason, TimePoint now) {
    switch (reason) {
      case ErrorKind::kUnavailable:  // max_requests: each request within its timeout
        return TimePoint::max();
      case ErrorKind::kInterrupted:
      case ErrorKind::kEndpoint:
        return now + kGrace;
      default:
        return now;
    }
  }

  bool has_ended(const VlmCaller& caller) const {
    return end_ && (caller.in_flight() == 0 || clock_.now() >= deadline_);
  }

  // Checkpoints survive a crash of the process at once, and a loss of power in batches. On a thread
  // of its own: a slow disk must not hold up the work.
  void sync_checkpoints() {
    if (clock_.now() < next_sync_) return;
    next_sync_ = clock_.now() + kSyncInterval;
    const bool busy = sync_.valid() && sync_.wait_for(seconds(0)) != std::future_status::ready;
    if (busy || store_.unsynced() == 0) return;
    if (sync_.valid()) note_sync(sync_.get());
    sync_ = std::async(std::launch::async, [this] { return store_.sync(); });
  }

  void note_sync(const Status& status) {
    if (status || sync_failed_) return;
    sync_failed_ = true;
    warn("checkpoints would not survive a loss of power: " + status.error().message);
  }

  void tick(const VlmCaller& caller) {
    watch_convention();
    sync_checkpoints();
    if (hooks_.on_progress) {
      hooks_.on_progress({report_.records, report_.done + report_.failed, report_.failed,
                          report_.requests(), caller.in_flight()});
    }
    const bool endpoint_failed = end_ && end_->kind == ErrorKind::kEndpoint;
    if (endpoint_failed) announce_wait(caller);
    const Interrupt interrupt = hooks_.interrupt ? hooks_.interrupt() : Interrupt::kNone;
    if (interrupt == Interrupt::kNone) return;
    if (endpoint_failed) {  // the run has failed already, and that is what it says
      deadline_ = clock_.now();
      return;
    }
    if (!end_ || end_->kind != ErrorKind::kInterrupted) {
      hooks_.logger->warning(
          "interrupted: no new requests; waiting up to 10 s for {} in flight "
          "(interrupt again to stop at once)",
          caller.in_flight());
      end_.reset();
      end_run(
          {ErrorKind::kInterrupted, "interrupted: finished samples are kept, run again to go on"});
    }
    if (interrupt == Interrupt::kNow) {
      deadline_ = clock_.now();
      stop_parts_(true);
    }
  }

  void announce_wait(const VlmCaller& caller) {
    if (std::exchange(wait_announced_, true)) return;
    hooks_.logger->warning("{}. No new requests; waiting up to 10 s for {} in flight",
                           end_->message, caller.in_flight());
  }

  Status judge_failures() {
    const std::int64_t failed = report_.failed + report_.bad_lines;
    const std::int64_t all = report_.records + report_.bad_lines;
    if (failed == 0) return {};
    const std::string text =
        fmt::format("{} of {} failed ({}): see {}", failed, count_of(all, "record"), failure_list(),
                    dir_.failures().string());
    if (static_cast<double>(failed) <=
        spec_.workflow.max_failure_ratio * static_cast<double>(all)) {
      warn(text + "; " + failure_advice());
      return {};
    }
    return fail(
        ErrorKind::kUnavailable,
        fmt::format("{}; that is more than workflow.max_failure_ratio ({}) allows. Finished "
                    "samples are kept: mend the cause, and {}",
                    text, spec_.workflow.max_failure_ratio, failure_advice()));
  }

  // Step 1 alone does not try again what failed in step 0; and where step 0's output was edited, a
  // run of step 0 would refuse to replace it.
  std::string failure_advice() const {
    if (spec_.workflow.extract || (report_.step[0].failed == 0 && report_.bad_lines == 0)) {
      return "run again to try them again";
    }
    const auto edited = edited_since_published(dir_, Step::kExtraction);
    if (edited && !*edited) {
      return "run again with image_grounding.workflow.steps=[\"0\",\"1\"] to try those of step 0 "
             "again";
    }
    return fmt::format(
        "{} was edited and stays as it is: label what failed in step 0 from an input of its own in "
        "another results_dir, without data.image_root (see Resume in the README)",
        dir_.step_annotations(Step::kExtraction).string());
  }

  std::string failure_list() const {
    std::vector<std::string> parts;
    for (const auto& [kind, count] : report_.failures_by_kind) {
      parts.push_back(fmt::format("{} {}", count, kind));
    }
    return fmt::format("{}", fmt::join(parts, ", "));
  }

  void warn_of_kept(const OutputWriter::KeptFile& file) {
    warn(fmt::format("{} held what this program did not write there; it is kept as {}",
                     file.path.string(), file.kept_as.string()));
  }

  void warn(std::string text) {
    hooks_.logger->warning("{}", text);
    report_.warnings.push_back(std::move(text));
  }

  // A wrong convention spoils every label, so that a long run says it as soon as it shows, not at
  // its end alone.
  void watch_convention() {
    const ConventionEvidence& evidence = report_.labels.convention;
    if (early_doubt_ || evidence.boxes < next_convention_check_) return;
    next_convention_check_ = 4 * evidence.boxes;
    const auto doubt = doubt_convention(evidence, coordinates_.convention);
    if (!doubt) return;
    early_doubt_ = true;
    hooks_.logger->warning("so far {}", describe(*doubt, coordinates_.convention));
  }

  void note_convention() {
    report_.convention_doubt = doubt_convention(report_.labels.convention, coordinates_.convention);
    if (report_.convention_doubt) {
      warn(describe(*report_.convention_doubt, coordinates_.convention));
    }
  }

  void note_status(const Status& status) {
    note_convention();
    for (std::string& warning : warnings_of(report_)) warn(std::move(warning));
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
  std::vector<Step> steps_;
  CheckpointStore store_;
  RunReport report_;
  std::optional<RunLock> lock_;
  std::unique_ptr<VlmBackend> backend_;
  CoordinateChoice coordinates_;
  std::future<Status> sync_;
  TimePoint next_sync_ = TimePoint::min();
  bool sync_failed_ = false;
  std::int64_t next_convention_check_ = 100;  // boxes
  bool early_doubt_ = false;
  std::function<void(bool)> stop_parts_;  // true: requests in flight are cancelled too
  std::optional<Error> end_;              // why the run ends before its work is done
  TimePoint deadline_ = TimePoint::max();
  bool wait_announced_ = false;
};

}  // namespace

Status check_interrupt(const RunHooks& hooks) {
  if (!hooks.interrupt || hooks.interrupt() == Interrupt::kNone) return {};
  return fail(ErrorKind::kInterrupted, "interrupted before the first request: run again to go on");
}

RunOutcome run_pipeline(const Spec& spec, const RunHooks& hooks, RunEnvironment environment) {
  return PipelineRun(spec, hooks, environment).run();
}

}  // namespace alig
