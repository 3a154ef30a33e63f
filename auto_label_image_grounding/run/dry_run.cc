#include "auto_label_image_grounding/run/dry_run.h"

#include <algorithm>
#include <array>
#include <future>
#include <map>
#include <memory>
#include <mutex>
#include <thread>
#include <utility>

#include <fmt/core.h>

#include "auto_label_image_grounding/base/text.h"
#include "auto_label_image_grounding/base/version.h"
#include "auto_label_image_grounding/data/image_info.h"
#include "auto_label_image_grounding/http/curl_transport.h"
#include "auto_label_image_grounding/http/redact.h"
#include "auto_label_image_grounding/run/image_job.h"
#include "auto_label_image_grounding/run/published_files.h"
#include "auto_label_image_grounding/run/run_inputs.h"
#include "auto_label_image_grounding/run/spec_secrets.h"
#include "auto_label_image_grounding/run/thread_pool.h"
#include "auto_label_image_grounding/vlm/backend.h"
#include "auto_label_image_grounding/vlm/token_estimate.h"

namespace alig {
namespace {

constexpr std::size_t kShownComplaints = 5;

// What the records of one image still need.
struct ImageNeed {
  std::int64_t extractions = 0;
  bool grounding = false;
  double prompt_characters = 0;
};

void count_finished(const RecordJob& record, bool readable, DryRun& counts) {
  const bool extracted = record.extraction && (readable || record.extraction->size);
  counts.finished_extractions += extracted ? 1 : 0;
  counts.finished_groundings += record.grounding ? 1 : 0;
  counts.earlier_failures += record.earlier_error ? 1 : 0;
}

void add_need(const RunContext& context, const RecordJob& record, ImageNeed& need) {
  const bool extracts = context.extracts() && !record.extraction;
  const bool has_caption = !trim(record.sample.caption).empty();
  if (extracts && has_caption) {
    ++need.extractions;
    need.prompt_characters += static_cast<double>(
        fill_extraction_prompt(context.extraction_prompt, record.sample.caption).size());
  }
  const bool has_expressions = extracts ? has_caption : !record.texts.empty();
  if (context.grounds() && !record.grounding && has_expressions) need.grounding = true;
}

// What the records still need of a picture whose header is `info`; complains where it cannot be
// read and any of them needs it.
ImageNeed needs_of(const RunContext& context, const Result<ImageInfo>& info,
                   std::vector<RecordJob>& records, DryRun& counts) {
  ImageNeed need;
  std::int64_t affected = 0;
  for (RecordJob& record : records) {
    // Whether a picture with a header can be decoded is not found out here.
    drop_stale(context, record, picture_state(record, info, info.has_value()));
    count_finished(record, info.has_value(), counts);
    if (is_settled(context, record)) continue;
    affected += info ? 0 : 1;
    if (info || context.guesses()) add_need(context, record, need);
  }
  if (affected > 0) {
    ++counts.unreadable_images;
    counts.affected_records += affected;
    counts.complaints.push_back(info.error().message);
  }
  return need;
}

void add_image(const RunContext& context, const std::string& path, std::vector<RecordJob>& records,
               DryRun& counts) {
  ++counts.images;
  const auto info = read_image_info(path, {context.spec.data.max_image_pixels});
  const ImageNeed need = needs_of(context, info, records, counts);
  const std::int64_t requests = need.extractions + (need.grounding ? 1 : 0);
  if (requests == 0) return;
  if (info) {
    const PictureSize sent = size_to_send({info->width, info->height}, context.coordinates,
                                          context.spec.vlm.max_image_side);
    counts.picture_tokens +=
        static_cast<double>(requests) * estimate_image_tokens(*context.coordinates.family, sent);
  }
  counts.extraction_requests += need.extractions;
  counts.grounding_requests += need.grounding ? 1 : 0;
  const double template_size =
      need.grounding ? static_cast<double>(context.grounding_prompt.text.size()) : 0;
  counts.prompt_tokens += estimate_text_tokens(need.prompt_characters + template_size);
}

Status add_group(const RunContext& context, std::size_t group, DryRun& counts) {
  std::map<std::string, std::vector<RecordJob>> by_path;  // as plain_path() spells it
  RunReport ignored;
  for (const std::uint32_t index : context.dataset.group(group)) {
    auto record = load_record(context, index, ignored);
    if (!record) return tl::unexpected(record.error());
    std::vector<RecordJob>& of_image = by_path[plain_path(record->sample.image_path)];
    of_image.push_back(std::move(*record));
  }
  for (auto& [key, records] : by_path) {
    add_image(context, records.front().sample.image_path, records, counts);
  }
  return {};
}

void add_counts(DryRun& total, DryRun& part) {
  total.images += part.images;
  total.unreadable_images += part.unreadable_images;
  total.affected_records += part.affected_records;
  total.earlier_failures += part.earlier_failures;
  total.extraction_requests += part.extraction_requests;
  total.grounding_requests += part.grounding_requests;
  total.finished_extractions += part.finished_extractions;
  total.finished_groundings += part.finished_groundings;
  total.picture_tokens += part.picture_tokens;
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
    for (std::size_t begin = 0; begin < context.dataset.groups(); begin += kStretch) {
      pool.submit([&, begin] {
        DryRun counts;
        Status found;
        const std::size_t end = std::min(begin + kStretch, context.dataset.groups());
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

Result<std::string> ask_endpoint(const Spec& spec, const VlmBackend& backend,
                                 HttpTransport& transport) {
  const std::vector<std::string> secrets = secrets_of(spec);
  std::vector<HttpResponse> answers;
  while (auto probe = backend.next_probe(answers)) {
    const std::string place = probe->url;
    HttpOutcome outcome = send_and_wait(transport, std::move(*probe));
    if (!outcome && answers.empty()) {
      return fail(ErrorKind::kEndpoint,
                  redact(fmt::format("{} does not answer: {}. Check base_url, and that the server "
                                     "is running",
                                     place, outcome.error().message),
                         secrets));
    }
    if (!outcome) break;  // what is known so far must do
    answers.push_back(std::move(*outcome));
  }
  auto verdict = backend.judge_probes(answers);
  if (!verdict) return fail(verdict.error().kind, redact(verdict.error().message, secrets));
  return redact(std::move(*verdict), secrets);
}

Status judge_records(const RunContext& context, const DryRun& dry) {
  const Spec& spec = context.spec;
  const std::int64_t over_picture = context.guesses() ? 0 : dry.affected_records;
  const std::int64_t bad = over_picture + dry.bad_lines + dry.earlier_failures;
  const std::int64_t all = dry.records + dry.bad_lines;
  if (static_cast<double>(bad) <= spec.workflow.max_failure_ratio * static_cast<double>(all)) {
    return {};
  }
  const std::string reason = spec.workflow.extract ? "line or picture" : "line, picture or step 0";
  return fail(ErrorKind::kUnavailable,
              fmt::format("{} of {} would fail over {}, more than workflow.max_failure_ratio ({}) "
                          "allows{}",
                          bad, count_of(all, "record"), reason, spec.workflow.max_failure_ratio,
                          dry.complaints.empty() ? "" : ". The first: " + dry.complaints.front()));
}

// What would end a run before its first request.
Status check_usable(const Spec& spec, const ResultsDir& dir, const RunHooks& hooks) {
  const std::vector<Step> steps = selected_steps(spec);
  if (auto status = RunLock::check(dir); !status) return status;
  if (auto status = check_writable(dir, steps); !status) return status;
  if (spec.workflow.force_reprocess) return {};
  return refuse_edited_outputs(dir, steps, [&] { return check_interrupt(hooks); });
}

}  // namespace

Result<DryRun> dry_run(const Spec& spec, const RunHooks& hooks, RunEnvironment environment) {
  const ResultsDir dir{spec.results_dir};
  if (auto status = check_usable(spec, dir, hooks); !status) return tl::unexpected(status.error());
  auto prompts = load_prompts(spec.prompts);
  if (!prompts) return tl::unexpected(prompts.error());
  auto dataset = open_dataset(spec, dir, [&] { return check_interrupt(hooks); });
  if (!dataset) return tl::unexpected(dataset.error());
  const auto earlier = open_earlier_failures(spec, dir);
  if (!earlier) return tl::unexpected(earlier.error());

  const auto backend = make_backend(spec.vlm);
  const CheckpointStore store(dir);
  std::array<bool, 2> resumes{};
  for (const Step step : {Step::kExtraction, Step::kGrounding}) {
    const auto discarding = store.is_discarding(step);
    if (!discarding) return tl::unexpected(discarding.error());
    resumes[static_cast<std::size_t>(step)] = !spec.workflow.force_reprocess && !*discarding;
  }
  const RunContext context{spec,
                           store,
                           *dataset,
                           choose_coordinates(spec.vlm.coordinates, backend->model()),
                           prompts->extraction,
                           prompts->grounding,
                           backend->model(),
                           resumes};
  for (const std::string& doubt : doubts_about(*prompts, context.coordinates.convention)) {
    hooks.logger->warning("{}", doubt);
  }
  DryRun dry;
  dry.records = static_cast<std::int64_t>(dataset->size());
  dry.bad_lines = static_cast<std::int64_t>(dataset->bad_lines().size() + earlier->bad_lines());
  for (const BadLine& bad : dataset->bad_lines()) {
    if (dry.complaints.size() >= kShownComplaints) break;
    dry.complaints.push_back(fmt::format("input line {}: {}", bad.number, bad.message));
  }
  const unsigned threads =
      environment.pool_threads > 0 ? environment.pool_threads : std::thread::hardware_concurrency();
  if (auto status = look_at_images(context, threads, dry); !status) {
    return tl::unexpected(status.error());
  }
  for (const std::string& complaint : dry.complaints) hooks.logger->warning("{}", complaint);
  if (auto status = judge_records(context, dry); !status) return tl::unexpected(status.error());

  std::unique_ptr<HttpTransport> transport = std::move(environment.transport);
  if (!transport) {
    CurlTransportOptions options;
    options.user_agent = fmt::format("auto-label-image-grounding/{}", kVersion);
    transport = make_curl_transport(options);
  }
  auto endpoint = ask_endpoint(spec, *backend, *transport);
  if (!endpoint) return tl::unexpected(endpoint.error());
  dry.endpoint = std::move(*endpoint);
  return dry;
}

std::string to_text(const DryRun& dry) {
  return fmt::format(
      "records   {}, and {} without one{}\n"
      "images    {}, {} of them cannot be read ({})\n"
      "endpoint  {}\n"
      "requests  about {}: {} for step 0 ({} records are done), {} for step 1 ({} are done)\n"
      "tokens    about {:.0f} of pictures and {:.0f} of prompts; answers come on top\n"
      "Nothing was written, and nothing was asked that costs.\n",
      dry.records, count_of(dry.bad_lines, "line"),
      dry.earlier_failures > 0 ? fmt::format("; {} failed in step 0", dry.earlier_failures) : "",
      dry.images, dry.unreadable_images, count_of(dry.affected_records, "record"), dry.endpoint,
      dry.extraction_requests + dry.grounding_requests, dry.extraction_requests,
      dry.finished_extractions, dry.grounding_requests, dry.finished_groundings, dry.picture_tokens,
      dry.prompt_tokens);
}

}  // namespace alig
