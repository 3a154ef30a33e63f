#include "auto_label_image_grounding/results/output_writer.h"

#include <limits>
#include <utility>

#include <fmt/core.h>
#include <nlohmann/json.hpp>

#include "auto_label_image_grounding/base/json_text.h"
#include "auto_label_image_grounding/results/published_files.h"

namespace alig {
namespace {

using Json = nlohmann::ordered_json;

// Records that may wait in memory for an earlier one. Beyond this, what has a checkpoint is dropped
// and read again when its turn comes.
constexpr std::size_t kMaxInMemory = 8192;

// What failed in an earlier run's step 0 is failed still, and listed again. Null: it did not fail.
const RecordError* failure_of(const FinishedRecord& finished) {
  if (finished.error) return &*finished.error;
  return finished.earlier_error ? &*finished.earlier_error : nullptr;
}

std::string to_line(const Json& failure) { return json_text(failure) + "\n"; }

}  // namespace

OutputWriter::OutputWriter(Settings settings, std::size_t records, Reload reload)
    : settings_(std::move(settings)),
      reload_(std::move(reload)),
      states_(records, State::kPending),
      extracted_ids_(settings_.first_expression_id) {}

Result<OutputWriter> OutputWriter::create(Settings settings, std::size_t records, Reload reload) {
  OutputWriter writer(std::move(settings), records, std::move(reload));
  for (const Step step : writer.settings_.steps) {
    if (auto status = writer.open(step); !status) return tl::unexpected(status.error());
  }
  if (auto status = writer.open_failures(); !status) return tl::unexpected(status.error());
  return writer;
}

Status OutputWriter::open_failures() {
  auto file = AtomicFile::create(settings_.dir.failures(), settings_.dir.temporaries());
  if (!file) return tl::unexpected(file.error());
  failures_.emplace(std::move(*file));
  for (std::size_t i = 0; i < settings_.earlier.bad_lines(); ++i) {
    auto line = settings_.earlier.bad_line(i);
    if (!line) return tl::unexpected(line.error());
    if (auto status = failures_->append(*line + "\n"); !status) return status;
  }
  return {};
}

Status OutputWriter::open(Step step) {
  auto file = AtomicFile::create(settings_.dir.step_annotations(step), settings_.dir.temporaries());
  if (!file) return tl::unexpected(file.error());
  outputs_[step].emplace(Output{std::move(*file), Sha256()});
  return {};
}

Status OutputWriter::put(std::size_t record, FinishedRecord finished) {
  if (!broken_) return broken_;
  count(finished);
  const bool has_checkpoint = failure_of(finished) == nullptr;
  if (has_checkpoint && record != next_ && in_memory_.size() >= kMaxInMemory) {
    states_[record] = State::kOnDisk;
    return {};
  }
  states_[record] = State::kInMemory;
  in_memory_.emplace(record, std::move(finished));
  broken_ = write_ready();
  return broken_;
}

Status OutputWriter::write_ready() {
  for (; next_ < states_.size() && states_[next_] != State::kPending; ++next_) {
    Status status;
    if (states_[next_] == State::kOnDisk) {
      auto finished = reload_(next_);
      if (!finished) return tl::unexpected(finished.error());
      status = write(*finished);
    } else {
      auto node = in_memory_.extract(next_);
      status = write(node.mapped());
    }
    if (!status) return status;
  }
  return {};
}

Status OutputWriter::write(const FinishedRecord& finished) {
  if (auto status = write_failure(finished); !status) return status;
  Record record = finished.sample.record;
  for (const Step step : settings_.steps) {
    record = render(step, std::move(record), finished);
    if (auto status = append(step, record); !status) return status;
  }
  return {};
}

Record OutputWriter::render(Step step, Record record, const FinishedRecord& finished) {
  const bool failed_here = finished.error && finished.error->step == step;
  const auto error = failed_here ? finished.error : std::nullopt;
  switch (step) {
    case Step::kExtraction:
      counts_.expressions += static_cast<std::int64_t>(finished.extraction.expressions.size());
      return render_extraction(finished.sample, finished.extraction, error, ids_);
    case Step::kGrounding:
      if (!settings_.steps.contains(Step::kExtraction) && !finished.earlier_error) {
        check_corrections(record, extracted_ids_, label_counts_);
        counts_.expressions += static_cast<std::int64_t>(finished.grounding.instances.size());
      }
      for (const auto& instances : finished.grounding.instances) {
        counts_.boxes += static_cast<std::int64_t>(instances.size());
      }
      return render_grounding(std::move(record), finished.grounding, error, ids_);
  }
  return record;
}

Status OutputWriter::append(Step step, const Record& record) {
  Output& output = *outputs_[step];
  const std::string line = record.dump() + "\n";
  output.hash.add(line);
  return output.file.append(line);
}

void OutputWriter::count(const FinishedRecord& finished) {
  const RecordError* error = failure_of(finished);
  if (error == nullptr) {
    ++counts_.done;
    return;
  }
  ++counts_.failed;
  ++counts_.failed_in[error->step];
  ++counts_.failures_by_kind[error->kind];
}

Status OutputWriter::write_failure(const FinishedRecord& finished) {
  const RecordError* error = failure_of(finished);
  if (error == nullptr) return {};
  if (auto status = write_bad_lines(finished.line); !status) return status;
  auto line = failure_line(finished, *error);
  return line ? failures_->append(*line) : tl::unexpected(line.error());
}

Result<std::string> OutputWriter::failure_line(const FinishedRecord& finished,
                                               const RecordError& error) const {
  if (finished.earlier_error) {
    auto noted = settings_.earlier.find(finished.sample_id, finished.sample.image_path, error);
    if (!noted) return tl::unexpected(noted.error());
    if (*noted) return **noted + "\n";
  }
  return to_line({{"line", finished.line},
                  {"file", settings_.input},
                  {"sample_id", finished.sample_id},
                  {"image_path", finished.sample.image_path},
                  {"step", name_of(error.step)},
                  {"kind", error.kind},
                  {"http_status", error.http_status == 0 ? Json() : Json(error.http_status)},
                  {"attempts", error.attempts},
                  {"message", error.message}});
}

// They are listed among the failed records, in input order. Those of an edited step-0 file are step
// 1's.
Status OutputWriter::write_bad_lines(std::uint32_t before) {
  for (; next_bad_line_ < settings_.bad_lines.size(); ++next_bad_line_) {
    const BadLine& bad = settings_.bad_lines[next_bad_line_];
    if (bad.number >= before) return {};
    const Step first = *settings_.steps.begin();
    const std::string line = to_line(
        {{"line", bad.number},
         {"file", settings_.input},
         {"sample_id", nullptr},
         {"image_path", nullptr},
         {"step", settings_.steps.contains(Step::kExtraction) ? Json() : Json(name_of(first))},
         {"kind", "bad_line"},
         {"http_status", nullptr},
         {"attempts", 0},
         {"message", bad.message}});
    bad_lines_hash_.add(line);
    if (auto status = failures_->append(line); !status) return status;
  }
  return {};
}

Status OutputWriter::publish() {
  auto rest = write_bad_lines(std::numeric_limits<std::uint32_t>::max());
  if (!rest) return rest;
  const StepSet steps = settings_.steps;
  std::string sha256;
  for (const Step step : steps) {
    auto published = publish_step(step);
    if (!published) return tl::unexpected(published.error());
    sha256 = std::move(*published);
  }
  if (auto status = publish_copy(steps.last(), sha256); !status) return status;
  if (auto status = settle_published(settings_.dir, steps); !status) return status;
  return failures_->commit();
}

Result<std::string> OutputWriter::publish_step(Step step) {
  Output& output = *outputs_[step];
  auto kept = keep_unknown(settings_.dir, step);
  if (!kept) return tl::unexpected(kept.error());
  if (*kept) kept_files_.push_back({settings_.dir.step_annotations(step), **kept});
  if (auto status = keep_late_edit(step); !status) return tl::unexpected(status.error());
  Published published{output.hash.finish_hex(), {}};
  if (step == Step::kExtraction && !settings_.bad_lines.empty()) {
    published.bad_lines_sha256 = bad_lines_hash_.finish_hex();
  }
  auto status = announce(settings_.dir, step, published);
  if (status) status = output.file.commit();
  if (!status) return tl::unexpected(status.error());
  return std::move(published.sha256);
}

// Edited while the run was at work, which may be days: too late to refuse, but not to be lost.
Status OutputWriter::keep_late_edit(Step step) {
  auto edited = edited_since_published(settings_.dir, step);
  if (!edited) return tl::unexpected(edited.error());
  if (!*edited) return {};
  const auto path = settings_.dir.step_annotations(step);
  auto kept = keep_previous(path);
  if (!kept) return tl::unexpected(kept.error());
  kept_files_.push_back({path, *kept});
  return {};
}

Status OutputWriter::publish_copy(Step last, const std::string& sha256) {
  auto kept = keep_unknown_copy(settings_.dir);
  if (!kept) return tl::unexpected(kept.error());
  if (*kept) kept_files_.push_back({settings_.dir.annotations(), **kept});
  auto copy = AtomicFile::create(settings_.dir.annotations(), settings_.dir.temporaries());
  if (!copy) return tl::unexpected(copy.error());
  auto status = read_in_blocks(settings_.dir.step_annotations(last),
                               [&](std::string_view bytes) { return copy->append(bytes); });
  if (status) status = announce_copy(settings_.dir, sha256);
  return status ? copy->commit() : status;
}

}  // namespace alig
