#include "auto_label_image_grounding/run/dry_run.h"

#include <algorithm>
#include <cmath>
#include <future>
#include <memory>
#include <mutex>
#include <numeric>
#include <thread>
#include <utility>

#include <fmt/ranges.h>
#include <nlohmann/json.hpp>

#include "auto_label_image_grounding/base/json_text.h"
#include "auto_label_image_grounding/base/key_names.h"
#include "auto_label_image_grounding/base/text.h"
#include "auto_label_image_grounding/calls/thread_pool.h"
#include "auto_label_image_grounding/http/redact.h"
#include "auto_label_image_grounding/results/published_files.h"
#include "auto_label_image_grounding/run/failure_verdict.h"
#include "auto_label_image_grounding/run/image_job.h"
#include "auto_label_image_grounding/run/run_plan.h"
#include "auto_label_image_grounding/run/spec_secrets.h"
#include "auto_label_image_grounding/vlm/backend.h"
#include "auto_label_image_grounding/vlm/token_estimate.h"

namespace alig {
namespace {

constexpr std::size_t kShownComplaints = 5;

// What the records of one image still need.
struct ImageNeed {
  PerStep<std::int64_t> requests;
  double prompt_characters = 0;
};

void count_finished(const RecordFacts& record, const Need& need, bool readable, DryRun& counts) {
  for (const Step step : StepSet::all()) {
    // One that waits for the image's size cannot be finished without it.
    const bool stuck = need == Need{Action::kResize, step} && !readable;
    counts.finished[step] += record.steps[step].has_result && !stuck ? 1 : 0;
  }
}

std::size_t prompt_size(const RunPrompts& prompts, Step step, const RecordJob& record) {
  switch (step) {
    case Step::kExtraction:
      return fill_extraction_prompt(prompts.extraction, record.sample.caption).size();
    case Step::kGrounding:
      return prompts.grounding.text.size();
  }
  return 0;
}

void add_need(const RunContext& context, const RecordJob& record, ImageNeed& need) {
  for (const Step step : requests_ahead(facts_of(record, context), context.rules())) {
    const bool asked_already = traits_of(step).describes_image && need.requests[step] > 0;
    if (asked_already) continue;
    ++need.requests[step];
    need.prompt_characters += static_cast<double>(prompt_size(context.plan.prompts, step, record));
  }
}

// What the records still need; complains where the image cannot be read and any of them needs it.
Result<ImageNeed> needs_of(const RunContext& context, LoadedImage& loaded, DryRun& counts) {
  const bool readable = loaded.info.has_value();
  ImageNeed out;
  std::int64_t affected = 0;
  RunCounts ignored;
  for (RecordJob& record : loaded.records) {
    counts.earlier_failures += record.earlier_error ? 1 : 0;
    // Whether an image with a header can be decoded is not found out here.
    const auto need =
        check_results(context, record, image_state(record, loaded.info, readable), ignored);
    if (!need) return tl::unexpected(need.error());
    count_finished(facts_of(record, context), *need, readable, counts);
    if (need->action == Action::kNone) continue;
    affected += readable ? 0 : 1;
    if (readable || context.rules().guesses) add_need(context, record, out);
  }
  if (affected > 0) {
    ++counts.unreadable_images;
    counts.affected_records += affected;
    counts.complaints.push_back(loaded.info.error().message);
  }
  return out;
}

Status add_image(const RunContext& context, LoadedImage& loaded, DryRun& counts) {
  ++counts.images;
  const auto need = needs_of(context, loaded, counts);
  if (!need) return tl::unexpected(need.error());
  const auto& per_step = need->requests.values;
  const std::int64_t requests = std::accumulate(per_step.begin(), per_step.end(), std::int64_t{0});
  if (requests == 0) return {};
  const CoordinateChoice& coordinates = context.plan.coordinates;
  if (loaded.info) {
    const ImageSize sent = size_to_send({loaded.info->width, loaded.info->height}, coordinates,
                                        context.plan.spec.vlm.max_image_side);
    counts.image_tokens +=
        static_cast<double>(requests) * estimate_image_tokens(*coordinates.family, sent);
  }
  for (const Step step : StepSet::all()) counts.requests[step] += need->requests[step];
  counts.prompt_tokens += estimate_text_tokens(need->prompt_characters);
  return {};
}

Status add_group(const RunContext& context, std::size_t group, DryRun& counts) {
  RunCounts ignored;
  auto images = load_group(context, group, ignored);
  if (!images) return tl::unexpected(images.error());
  for (LoadedImage& image : *images) {
    if (auto status = add_image(context, image, counts); !status) return status;
  }
  return {};
}

void add_counts(DryRun& total, DryRun& part) {
  total.images += part.images;
  total.unreadable_images += part.unreadable_images;
  total.affected_records += part.affected_records;
  total.earlier_failures += part.earlier_failures;
  for (const Step step : StepSet::all()) {
    total.requests[step] += part.requests[step];
    total.finished[step] += part.finished[step];
  }
  total.image_tokens += part.image_tokens;
  total.prompt_tokens += part.prompt_tokens;
  for (std::string& complaint : part.complaints) {
    if (total.complaints.size() >= kShownComplaints) break;
    total.complaints.push_back(std::move(complaint));
  }
}

// All images, on all cores, a stretch of them at a time.
Status look_at_images(const RunContext& context, unsigned threads, DryRun& total) {
  constexpr std::size_t kStretch = 256;
  std::mutex mutex;
  Status status;
  {
    ThreadPool pool(threads);
    for (std::size_t begin = 0; begin < context.plan.dataset.groups(); begin += kStretch) {
      pool.submit([&, begin] {
        DryRun counts;
        Status found;
        const std::size_t end = std::min(begin + kStretch, context.plan.dataset.groups());
        for (std::size_t i = begin; i < end && found; ++i) found = add_group(context, i, counts);
        const std::lock_guard lock(mutex);
        add_counts(total, counts);
        if (!found && status) status = found;
      });
    }
  }
  return status;
}

HttpOutcome send_and_wait(HttpTransport& transport, HttpRequest request) {
  // Shared: set_value() may still be at work when the answer is here already.
  auto promise = std::make_shared<std::promise<HttpOutcome>>();
  auto future = promise->get_future();
  transport.send(std::move(request),
                 [promise](HttpOutcome outcome) { promise->set_value(std::move(outcome)); });
  return future.get();
}

Result<ProbeReport> ask_endpoint(const Spec& spec, const VlmBackend& backend,
                                 HttpTransport& transport) {
  const std::vector<std::string> secrets = secrets_of(spec);
  std::vector<HttpResponse> answers;
  while (auto probe = backend.next_probe(answers)) {
    const std::string place = probe->url;
    HttpOutcome outcome = send_and_wait(transport, std::move(*probe));
    if (!outcome && answers.empty()) {
      return fail(ErrorKind::kEndpoint,
                  redact(fmt::format("{} does not answer: {}{}", place, outcome.error().message,
                                     outcome.error().advice.empty()
                                         ? backend.advice_on(FailureKind::kTransport)
                                         : outcome.error().advice),
                         secrets));
    }
    if (!outcome) break;  // what is known so far must do
    answers.push_back(std::move(*outcome));
  }
  auto verdict = backend.judge_probes(answers);
  if (!verdict) return fail(verdict.error().kind, redact(verdict.error().message, secrets));
  return ProbeReport{redact(verdict->text, secrets), redact(verdict->warning, secrets)};
}

// All replicas; the first of which a run would fail is an error.
Result<ProbeReport> ask_endpoints(const Spec& spec, const RunPlan& plan, HttpTransport& transport) {
  std::vector<std::string> texts, warnings;
  for (const auto& backend : plan.backends) {
    auto report = ask_endpoint(spec, *backend, transport);
    if (!report) return report;
    texts.push_back(std::move(report->text));
    if (!report->warning.empty()) warnings.push_back(std::move(report->warning));
  }
  return ProbeReport{fmt::format("{}", fmt::join(texts, "; ")),
                     fmt::format("{}", fmt::join(warnings, "; "))};
}

Status judge_records(const RunContext& context, const DryRun& dry) {
  const WorkflowSpec& workflow = context.plan.spec.workflow;
  const std::int64_t over_image = context.rules().guesses ? 0 : dry.affected_records;
  const std::int64_t bad = over_image + dry.bad_lines + dry.earlier_failures;
  const std::int64_t all = dry.records + dry.bad_lines;
  if (!are_too_many(bad, all, workflow)) return {};
  const std::string reason =
      workflow.steps.contains(Step::kExtraction) ? "line or image" : "line, image or step 0";
  return fail(ErrorKind::kUnavailable,
              fmt::format("{} of {} would fail over {}, more than {} ({}) allows{}", bad,
                          count_of(all, "record"), reason, key::kMaxFailureRatio,
                          workflow.max_failure_ratio,
                          dry.complaints.empty() ? "" : ". The first: " + dry.complaints.front()));
}

// What would end a run before its first request.
Status check_usable(const Spec& spec, const ResultsDir& dir, const RunHooks& hooks) {
  if (auto status = RunLock::check(dir); !status) return status;
  if (auto status = check_writable(dir, spec.workflow.steps); !status) return status;
  if (spec.workflow.force_reprocess) return {};
  return refuse_edited_outputs(dir, spec.workflow.steps, [&] { return check_interrupt(hooks); });
}

Result<PerStep<bool>> resumable_steps(const RunPlan& plan, const CheckpointStore& store) {
  PerStep<bool> out;
  for (const Step step : StepSet::all()) {
    const auto discarding = store.is_discarding(step);
    if (!discarding) return tl::unexpected(discarding.error());
    out[step] = !plan.spec.workflow.force_reprocess && !*discarding;
  }
  return out;
}

// Counts what can be counted without the endpoint.
Result<DryRun> look_at_input(const RunContext& context, const RunEnvironment& environment) {
  const Dataset& dataset = context.plan.dataset;
  DryRun dry;
  dry.records = static_cast<std::int64_t>(dataset.size());
  dry.bad_lines =
      static_cast<std::int64_t>(dataset.bad_lines().size() + context.plan.earlier.bad_lines());
  for (const BadLine& bad : dataset.bad_lines()) {
    if (dry.complaints.size() >= kShownComplaints) break;
    dry.complaints.push_back(fmt::format("input line {}: {}", bad.number, bad.message));
  }
  const unsigned threads =
      environment.pool_threads > 0 ? environment.pool_threads : std::thread::hardware_concurrency();
  if (auto status = look_at_images(context, threads, dry); !status) {
    return tl::unexpected(status.error());
  }
  return dry;
}

}  // namespace

Result<DryRun> dry_run(const Spec& spec, const RunHooks& hooks, RunEnvironment environment) {
  const ResultsDir dir{spec.results_dir};
  if (auto status = check_usable(spec, dir, hooks); !status) return tl::unexpected(status.error());
  const auto plan =
      make_run_plan(spec, dir, choose_model(spec.vlm), [&] { return check_interrupt(hooks); });
  if (!plan) return tl::unexpected(plan.error());
  const CheckpointStore store(dir);
  const auto resumes = resumable_steps(*plan, store);
  if (!resumes) return tl::unexpected(resumes.error());
  const RunContext context{*plan, store, *resumes};
  for (const std::string& doubt : prompt_warnings(*plan)) hooks.logger->warning("{}", doubt);
  auto dry = look_at_input(context, environment);
  if (!dry) return dry;
  for (const std::string& complaint : dry->complaints) hooks.logger->warning("{}", complaint);
  if (auto status = judge_records(context, *dry); !status) return tl::unexpected(status.error());

  auto transport = std::move(environment.transport);
  if (!transport) transport = open_transport(spec);
  auto endpoints = ask_endpoints(spec, *plan, *transport);
  if (!endpoints) return tl::unexpected(endpoints.error());
  dry->endpoint = std::move(endpoints->text);
  dry->endpoint_warning = std::move(endpoints->warning);
  return dry;
}

std::string to_text(const DryRun& dry) {
  std::int64_t requests = 0;
  std::vector<std::string> steps;
  for (const Step step : StepSet::all()) {
    requests += dry.requests[step];
    steps.push_back(fmt::format("{} for step {} ({}{} are done)", dry.requests[step], name_of(step),
                                dry.finished[step], steps.empty() ? " records" : ""));
  }
  return fmt::format(
      "records   {}, and {} without one{}\n"
      "images    {}, {} of them cannot be read ({})\n"
      "endpoint  {}\n"
      "{}"
      "requests  about {}: {}\n"
      "tokens    about {:.0f} of images and {:.0f} of prompts; answers come on top\n"
      "Nothing was written, and nothing was asked that costs.\n",
      dry.records, count_of(dry.bad_lines, "line"),
      dry.earlier_failures > 0 ? fmt::format("; {} failed in step 0", dry.earlier_failures) : "",
      dry.images, dry.unreadable_images, count_of(dry.affected_records, "record"), dry.endpoint,
      dry.endpoint_warning.empty() ? "" : fmt::format("warning   {}\n", dry.endpoint_warning),
      requests, fmt::join(steps, ", "), dry.image_tokens, dry.prompt_tokens);
}

std::string to_json_text(const DryRun& dry) {
  const auto by_noun = [](const PerStep<std::int64_t>& counts) {
    nlohmann::ordered_json out;
    for (const Step step : StepSet::all()) out[traits_of(step).noun] = counts[step];
    return out;
  };
  const nlohmann::ordered_json out = {
      {"records", dry.records},
      {"bad_lines", dry.bad_lines},
      {"images", dry.images},
      {"unreadable_images", dry.unreadable_images},
      {"affected_records", dry.affected_records},
      {"earlier_failures", dry.earlier_failures},
      {"requests", by_noun(dry.requests)},
      {"finished", by_noun(dry.finished)},
      {"tokens",
       {{"image", std::round(dry.image_tokens)}, {"prompt", std::round(dry.prompt_tokens)}}},
      {"complaints", dry.complaints},
      {"endpoint", dry.endpoint},
      {"endpoint_warning", dry.endpoint_warning},
  };
  return json_text(out);
}

}  // namespace alig
