#include "auto_label_image_grounding/run/job_runner.h"

#include <algorithm>
#include <chrono>
#include <iterator>
#include <set>
#include <utility>

#include <fmt/core.h>

#include "auto_label_image_grounding/data/phrase.h"
#include "auto_label_image_grounding/parse/extraction_answer.h"
#include "auto_label_image_grounding/parse/grounding_answer.h"
#include "auto_label_image_grounding/steps/expression_extraction.h"
#include "auto_label_image_grounding/steps/phrase_grounding.h"

namespace alig {
namespace {

// Room for an expression with a few boxes in an answer, in tokens.
constexpr std::size_t kTokensPerExpression = 100;
constexpr std::size_t kMaxExpressionsPerCall = 50;
// The active images are loaded in at least this many batches.
constexpr std::size_t kBatches = 8;

std::size_t expressions_per_call(int max_output_tokens) {
  const auto fitting =
      static_cast<std::size_t>(std::max(max_output_tokens, 0)) / kTokensPerExpression;
  return std::clamp<std::size_t>(fitting, 1, kMaxExpressionsPerCall);
}

void count_repairs(const std::vector<std::string>& repairs, LabelCounts& counts) {
  if (!repairs.empty()) ++counts.answers_repaired;
  for (const std::string& repair : repairs) ++counts.repairs[repair];
}

RecordError to_record_error(Step step, const CallFailure& failure) {
  return {step, name_of(failure.kind), failure.message, failure.http_status, failure.attempts};
}

}  // namespace

JobRunner::JobRunner(Parts parts, int max_output_tokens, std::function<void(Error)> end_run)
    : parts_(parts),
      max_expressions_(expressions_per_call(max_output_tokens)),
      end_run_(std::move(end_run)) {
  // Enough images to keep every slot busy while others are loaded; no more, for memory's sake.
  constexpr std::size_t kSpare = 8;
  max_active_ =
      2 * static_cast<std::size_t>(parts_.context.plan.spec.workflow.max_workers) + kSpare;
}

void JobRunner::in_pool(std::function<Status(RunCounts&)> work, std::function<void()> then,
                        ThreadPool::Priority priority) {
  auto task = [this, work = std::move(work), then = std::move(then)]() mutable {
    auto counts = std::make_shared<RunCounts>();
    Status status = without_exceptions([&] { return work(*counts); });
    // What the work holds (a slot, perhaps) is let go on the loop's thread.
    parts_.loop.post([this, counts, status, work = std::move(work), then = std::move(then)] {
      counts_ += *counts;
      if (!status) return end_run_(status.error());
      then();
    });
  };
  parts_.pool.submit(std::move(task), priority);
}

// Several groups at a time: to hand one to another thread costs as much as to load it, where its
// checkpoints hold all of it.
void JobRunner::load_more() {
  while (!stopped_ && next_group_ < parts_.context.plan.dataset.groups()) {
    const std::size_t left = parts_.context.plan.dataset.groups() - next_group_;
    const std::size_t count = std::min(left, max_active_ / kBatches);
    if (active_ + count > max_active_) return;
    active_ += count;
    load({next_group_, next_group_ + count});
    next_group_ += count;
  }
}

void JobRunner::load(GroupRange groups) {
  struct Loaded {
    GroupRange rest;
    std::vector<Job> jobs;
  };
  auto loaded = std::make_shared<Loaded>(Loaded{groups, {}});
  in_pool(
      [this, loaded](RunCounts& counts) -> Status {
        // Images that must be decoded take their time: answers must not wait for a whole batch.
        constexpr auto kLongest = std::chrono::milliseconds(1);
        const auto begin = std::chrono::steady_clock::now();
        GroupRange& rest = loaded->rest;
        while (!stopped_ && rest.begin < rest.end &&
               (loaded->jobs.empty() || std::chrono::steady_clock::now() - begin < kLongest)) {
          auto jobs = load_jobs(parts_.context, rest.begin++, counts);
          if (!jobs) return tl::unexpected(jobs.error());
          std::move(jobs->begin(), jobs->end(), std::back_inserter(loaded->jobs));
        }
        return {};
      },
      [this, loaded, groups] {
        if (stopped_) return;
        if (loaded->rest.begin < loaded->rest.end) load(loaded->rest);
        active_ += loaded->jobs.size();
        active_ -= loaded->rest.begin - groups.begin;  // the groups themselves
        for (const Job& job : loaded->jobs) {
          ++counts_.images;
          start_extraction(job);
        }
      },
      ThreadPool::Priority::kNormal);
}

bool JobRunner::is_ahead(const RecordJob& record, Step step) const {
  const RunContext& context = parts_.context;
  return requests_ahead(facts_of(record, context), context.rules()).contains(step);
}

void JobRunner::start_extraction(const Job& job) {
  std::vector<std::size_t> wanted;
  for (std::size_t i = 0; i < job->records.size(); ++i) {
    if (is_ahead(job->records[i], Step::kExtraction)) wanted.push_back(i);
  }
  job->pending = wanted.size();
  if (wanted.empty()) return start_grounding(job);
  for (const std::size_t i : wanted) extract(job, i);
}

void JobRunner::with_accepted_image(const Job& job, Step step, std::function<void()> ask,
                                    std::function<void(RecordError)> give_up) {
  const ImageDemands& demands = parts_.caller.image_demands();
  const auto& image = job->image->content;
  const bool good = !image || (demands.allow(*image) && image->converted_from == job->refused_as);
  if (good) return ask();
  const ImageWishes wishes{demands.facts().refused, demands.facts().max_bytes, job->refused_as};
  // Several calls of the job may do this concurrently, with the same resulting image.
  auto remade = std::make_shared<std::optional<Result<SentImage>>>();
  in_pool(
      [this, job, wishes, remade](RunCounts&) -> Status {
        *remade = remake_image(parts_.context, *job, wishes);
        return {};
      },
      [this, job, step, remade, ask = std::move(ask), give_up = std::move(give_up)] {
        Result<SentImage>& made = **remade;
        if (!made) return give_up(image_error(step, made.error()));
        const bool counted = job->image->downscaled_for_limit;
        counts_.images_downscaled += made->downscaled_for_limit && !counted ? 1 : 0;
        job->image = std::move(*made);
        ask();
      });
}

// Where nothing is known against such images, this one was refused for its content.
void JobRunner::note_refused_image(ImageJob& job) const {
  const auto& image = job.image->content;
  if (image && image->converted_from.empty() && parts_.caller.image_demands().allow(*image)) {
    job.refused_as = image->mime_type;
  }
}

void JobRunner::extract(const Job& job, std::size_t index, int attempts) {
  with_accepted_image(
      job, Step::kExtraction,
      [this, job, index, attempts] { ask_extraction(job, index, attempts); },
      [this, job, index](RecordError error) {
        job->records[index].error = std::move(error);
        on_extracted(job);
      });
}

void JobRunner::ask_extraction(const Job& job, std::size_t index, int attempts) {
  const RunContext& context = parts_.context;
  auto call = std::make_shared<Call>();
  call->step = Step::kExtraction;
  call->query.image = job->image->content;
  call->home = job->home;
  call->attempts = attempts;
  call->query.prompt =
      fill_extraction_prompt(context.plan.prompts.extraction, job->records[index].sample.caption);
  call->query.schema = &extraction_schema();
  call->query.schema_name = "extraction";
  auto counts = std::make_shared<RunCounts>();
  // The record belongs to the pool thread until done(): nothing else touches it meanwhile.
  call->handle_reply = [&context, job, index, counts,
                        image = image_state(*job)](const VlmReply& reply) -> Result<AnswerUse> {
    RecordJob& record = job->records[index];
    auto answer = parse::read_extraction_answer(reply.text);
    if (!answer) return tl::unexpected(answer.error());
    if (answer->truncated) return AnswerUse::kBreaksOff;
    *counts = RunCounts();
    count_repairs(answer->repairs, counts->labels);
    ExtractionResult result = apply_extraction(record.sample.caption, *answer, counts->labels);
    Status taken = take_extraction(context, record, std::move(result), image, *counts);
    return taken.map([] { return AnswerUse::kUsable; });
  };
  call->done = [this, job, index, counts](const std::optional<CallFailure>& failure,
                                          const std::shared_ptr<Slot>&) {
    if (failure && failure->kind == FailureKind::kImageFormat) {
      note_refused_image(*job);
      return extract(job, index, failure->attempts);
    }
    RecordJob& record = job->records[index];
    if (failure) record.error = to_record_error(Step::kExtraction, *failure);
    if (!failure) {
      counts_ += *counts;
      parts_.caller.note_progress();
    }
    on_extracted(job);
  };
  parts_.caller.submit(std::move(call));
}

void JobRunner::on_extracted(const Job& job) {
  if (--job->pending == 0) start_grounding(job);
}

void JobRunner::start_grounding(const Job& job) {
  report_finished(job);
  Texts texts;  // each question once, in the order of the records
  std::set<std::string> seen;
  for (const RecordJob& record : job->records) {
    if (!is_ahead(record, Step::kGrounding)) continue;
    for (const std::string& text : record.texts) {
      if (seen.insert(grouping_key(text)).second) texts.push_back(text);
    }
  }
  if (texts.empty()) return finish(job);
  const std::size_t calls = (texts.size() + max_expressions_ - 1) / max_expressions_;
  job->pending = calls;
  for (std::size_t i = 0; i < calls; ++i) {
    // Parts of about the same length: 51 expressions are 26 and 25, not 50 and 1.
    const auto cut = [&](std::size_t part) {
      return texts.begin() + static_cast<std::ptrdiff_t>(texts.size() * part / calls);
    };
    ground(job, Texts(cut(i), cut(i + 1)));
  }
}

void JobRunner::ground(const Job& job, const Texts& texts, int attempts) {
  with_accepted_image(
      job, Step::kGrounding, [this, job, texts, attempts] { ask_grounding(job, texts, attempts); },
      [this, job, texts](const RecordError& error) {
        fail_texts(job, texts, error);
        settle_grounded(job, nullptr);
      });
}

void JobRunner::ask_grounding(const Job& job, const Texts& texts, int attempts) {
  const RunContext& context = parts_.context;
  const SentImage& image = *job->image;
  auto call = std::make_shared<Call>();
  call->step = Step::kGrounding;
  call->split_when_truncated = true;
  call->query.image = image.content;
  call->home = job->home;
  call->attempts = attempts;
  call->query.prompt = fill_grounding_prompt(context.plan.prompts.grounding, texts,
                                             context.plan.coordinates.convention, image.seen);
  call->query.schema = &grounding_schema();
  call->query.schema_name = "grounding";

  struct Answer {
    std::vector<std::vector<Instance>> instances;
    LabelCounts counts;
  };
  auto result = std::make_shared<Answer>();
  // The only call of its image saves the records right where it is judged: nothing else touches the
  // job meanwhile.
  const bool only_call = job->pending == 1 && job->found.empty() && job->failed.empty();
  const auto keep = [job, texts, result] {
    for (std::size_t i = 0; i < texts.size(); ++i) {
      job->found[grouping_key(texts[i])] = std::move(result->instances[i]);
    }
  };
  const GroundingFrame frame{context.plan.coordinates.convention, image.seen, image.upright};
  GroundingRules rules{context.plan.spec.workflow.merge_iou, 0};
  // The limit belongs to our prompt; a prompt of the user's need not have one.
  if (context.plan.prompts.grounding.custom_sha256.empty())
    rules.max_instances = kMaxInstancesAsked;
  call->handle_reply = [&context, job, texts, result, frame, rules, only_call,
                        keep](const VlmReply& reply) -> Result<AnswerUse> {
    auto answer = parse::read_grounding_answer(reply.text);
    if (!answer) return tl::unexpected(answer.error());
    if (answer->truncated) return AnswerUse::kBreaksOff;
    result->counts = LabelCounts();
    count_repairs(answer->repairs, result->counts);
    auto instances = apply_grounding(texts, *answer, frame, rules, result->counts);
    if (!instances) return tl::unexpected(instances.error());
    result->instances = std::move(*instances);
    if (!only_call) return AnswerUse::kUsable;
    keep();
    Status saved = save_groundings(context, *job, take_answers(context, *job));
    return saved.map([] { return AnswerUse::kUsable; });
  };
  call->done = [this, job, texts, result, only_call, keep](
                   const std::optional<CallFailure>& failure, const std::shared_ptr<Slot>& slot) {
    if (!failure) {
      counts_.labels += result->counts;
      if (!only_call) keep();
    }
    on_grounded(job, texts, failure, slot);
  };
  parts_.caller.submit(std::move(call));
}

void JobRunner::on_grounded(const Job& job, const Texts& texts,
                            const std::optional<CallFailure>& failure,
                            const std::shared_ptr<Slot>& slot) {
  if (failure && failure->kind == FailureKind::kImageFormat) {
    note_refused_image(*job);
    return ground(job, texts, failure->attempts);
  }
  if (failure && failure->kind == FailureKind::kTruncated && texts.size() > 1) {
    ++counts_.labels.calls_split;
    ++job->pending;  // one call became two
    const auto middle = texts.begin() + static_cast<std::ptrdiff_t>(texts.size() / 2);
    ground(job, Texts(texts.begin(), middle));
    ground(job, Texts(middle, texts.end()));
    return;
  }
  if (failure) {
    fail_texts(job, texts, to_record_error(Step::kGrounding, *failure));
  } else {
    parts_.caller.note_progress();
  }
  settle_grounded(job, slot);
}

void JobRunner::fail_texts(const Job& job, const Texts& texts, const RecordError& error) {
  for (const std::string& text : texts) job->failed.emplace(grouping_key(text), error);
}

// Records whose last missing expression has just been answered are saved at once, while the slot of
// that answer is still held.
void JobRunner::settle_grounded(const Job& job, const std::shared_ptr<Slot>& slot) {
  const auto complete = take_answers(parts_.context, *job);
  const auto mark = [job, complete](RecordJob::Stage stage) {
    for (const std::size_t i : complete) job->records[i].stage = stage;
  };
  const auto settled = [this, job, mark] {
    mark(RecordJob::Stage::kOpen);
    report_finished(job);
    if (--job->pending == 0) finish(job);
  };
  if (complete.empty()) return settled();
  mark(RecordJob::Stage::kSaving);
  in_pool([this, job, complete,
           slot](RunCounts&) { return save_groundings(parts_.context, *job, complete); },
          settled);
}

void JobRunner::report_finished(const Job& job) {
  for (RecordJob& record : job->records) {
    const bool finished = is_finished(facts_of(record, parts_.context), parts_.context.rules());
    if (record.stage != RecordJob::Stage::kOpen || !finished) continue;
    record.stage = RecordJob::Stage::kHandedOver;
    if (!record.error && !record.earlier_error) parts_.caller.note_progress();
    if (record.error) last_failure_ = record.error->message;
    const std::size_t index = record.index;
    auto status = parts_.writer.put(
        index, to_finished(record, parts_.context.plan.dataset.line_number(index)));
    if (!status) return end_run_(status.error());
  }
}

void JobRunner::finish(const Job& job) {
  report_finished(job);
  --active_;
  load_more();
}

}  // namespace alig
