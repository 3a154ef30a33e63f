#include "auto_label_image_grounding/run/output_writer.h"

#include <sys/stat.h>

#include <algorithm>
#include <fstream>
#include <limits>
#include <utility>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

namespace alig {
namespace {

using Json = nlohmann::ordered_json;
namespace fs = std::filesystem;

// Records that may wait in memory for an earlier one. Beyond this, what has a checkpoint is dropped
// and read again when its turn comes.
constexpr std::size_t kMaxInMemory = 8192;

fs::path digest_path(const ResultsDir& dir, Step step) {
  return dir.state_dir() / fmt::format("published_{}.json", name_of(step));
}

// Size and time of change tell most often that nothing changed; the digest decides otherwise.
Json stat_of(const fs::path& path) {
  struct stat info {};
  if (::stat(path.c_str(), &info) != 0) return Json::object();
  return {{"size", info.st_size},
          {"mtime_ns",
           static_cast<std::int64_t>(info.st_mtim.tv_sec) * 1'000'000'000 + info.st_mtim.tv_nsec}};
}

// What publish_step() wrote; an empty object where it never did.
Json published_digest(const ResultsDir& dir, Step step) {
  const auto text = read_file(digest_path(dir, step));
  Json digest = text ? Json::parse(*text, nullptr, false) : Json();
  return digest.is_object() ? digest : Json::object();
}

// Of all the contents that the file may have although nobody edited it.
Json digests_of(const Json& published) {
  Json out = Json::array();
  if (published.contains("sha256")) out.push_back(published["sha256"]);
  const Json previous = published.value("previous", Json::array());
  out.insert(out.end(), previous.begin(), previous.end());
  return out;
}

template <typename Take>
Status for_each_block(const fs::path& path, Take take) {
  std::ifstream in(path, std::ios::binary);
  if (!in) return fail(ErrorKind::kIo, fmt::format("cannot read {}", path.string()));
  std::string block(1 << 18, '\0');
  while (in.read(block.data(), static_cast<std::streamsize>(block.size())), in.gcount() > 0) {
    const std::string_view bytes(block.data(), static_cast<std::size_t>(in.gcount()));
    if (Status status = take(bytes); !status) return status;
  }
  return {};
}

Result<std::string> sha256_of_file(const fs::path& path) {
  Sha256 hash;
  auto status = for_each_block(path, [&](std::string_view bytes) -> Status {
    hash.add(bytes);
    return {};
  });
  if (!status) return tl::unexpected(status.error());
  return hash.finish_hex();
}

// What failed in an earlier run's step 0 is failed still, and listed again. Null: it did not fail.
const RecordError* failure_of(const FinishedRecord& finished) {
  if (finished.error) return &*finished.error;
  return finished.earlier_error ? &*finished.earlier_error : nullptr;
}

std::string failure_json(const FinishedRecord& finished, const RecordError& error) {
  const Json out = {{"line", finished.line},
                    {"sample_id", finished.sample_id},
                    {"image_path", finished.sample.image_path},
                    {"step", error.step},
                    {"kind", error.kind},
                    {"http_status", error.http_status == 0 ? Json() : Json(error.http_status)},
                    {"attempts", error.attempts},
                    {"message", error.message}};
  return out.dump(-1, ' ', false, Json::error_handler_t::replace);
}

std::string bad_line_json(const BadLine& bad) {
  const Json out = {{"line", bad.number}, {"sample_id", nullptr},  {"image_path", nullptr},
                    {"step", nullptr},    {"kind", "bad_line"},    {"http_status", nullptr},
                    {"attempts", 0},      {"message", bad.message}};
  return out.dump(-1, ' ', false, Json::error_handler_t::replace);
}

}  // namespace

OutputWriter::OutputWriter(Settings settings, std::size_t records, RunReport& report, Reload reload)
    : settings_(std::move(settings)),
      report_(&report),
      reload_(std::move(reload)),
      states_(records, State::kPending) {
  ids_.next_expression = settings_.first_expression_id;
}

Result<OutputWriter> OutputWriter::create(Settings settings, std::size_t records, RunReport& report,
                                          Reload reload) {
  OutputWriter writer(std::move(settings), records, report, std::move(reload));
  for (const Step step : {Step::kExtraction, Step::kGrounding}) {
    const bool wanted =
        step == Step::kExtraction ? writer.settings_.extract : writer.settings_.ground;
    if (!wanted) continue;
    if (auto status = writer.open(step); !status) return tl::unexpected(status.error());
  }
  auto failures =
      AtomicFile::create(writer.settings_.dir.failures(), writer.settings_.dir.temporaries());
  if (!failures) return tl::unexpected(failures.error());
  writer.failures_.emplace(std::move(*failures));
  return writer;
}

Status OutputWriter::open(Step step) {
  auto file = AtomicFile::create(settings_.dir.step_annotations(step), settings_.dir.temporaries());
  if (!file) return tl::unexpected(file.error());
  outputs_[static_cast<int>(step)].emplace(Output{std::move(*file), Sha256()});
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
  const bool failed_in_extraction =
      finished.error && finished.error->step == name_of(Step::kExtraction);
  Record record = finished.sample.record;
  if (settings_.extract) {
    record = render_extraction(finished.sample, finished.extraction,
                               failed_in_extraction ? finished.error : std::nullopt, ids_);
    if (auto status = append(Step::kExtraction, record); !status) return status;
    report_->expressions += static_cast<std::int64_t>(finished.extraction.expressions.size());
  }
  if (!settings_.ground) return {};
  if (!settings_.extract && !finished.earlier_error) {
    report_->expressions += static_cast<std::int64_t>(finished.grounding.instances.size());
  }
  for (const auto& instances : finished.grounding.instances) {
    report_->boxes += static_cast<std::int64_t>(instances.size());
  }
  return append(Step::kGrounding,
                render_grounding(std::move(record), finished.grounding,
                                 failed_in_extraction ? std::nullopt : finished.error, ids_));
}

Status OutputWriter::append(Step step, const Record& record) {
  Output& output = *outputs_[static_cast<int>(step)];
  const std::string line = record.dump() + "\n";
  output.hash.add(line);
  return output.file.append(line);
}

void OutputWriter::count(const FinishedRecord& finished) {
  const RecordError* error = failure_of(finished);
  if (error == nullptr) {
    ++report_->done;
    return;
  }
  ++report_->failed;
  ++report_->step[error->step == name_of(Step::kExtraction) ? 0 : 1].failed;
  ++report_->failures_by_kind[error->kind];
}

Status OutputWriter::write_failure(const FinishedRecord& finished) {
  const RecordError* error = failure_of(finished);
  if (error == nullptr) return {};
  if (auto status = write_bad_lines(finished.line); !status) return status;
  return failures_->append(failure_json(finished, *error) + "\n");
}

// They stand among the failed records, in the order of the input.
Status OutputWriter::write_bad_lines(std::uint32_t before) {
  for (; next_bad_line_ < settings_.bad_lines.size(); ++next_bad_line_) {
    const BadLine& bad = settings_.bad_lines[next_bad_line_];
    if (bad.number >= before) return {};
    if (auto status = failures_->append(bad_line_json(bad) + "\n"); !status) return status;
  }
  return {};
}

Status OutputWriter::publish() {
  Step last = Step::kExtraction;
  for (const Step step : {Step::kExtraction, Step::kGrounding}) {
    if (!outputs_[static_cast<int>(step)]) continue;
    if (auto status = publish_step(step); !status) return status;
    last = step;
  }
  if (auto status = publish_copy(last); !status) return status;
  auto status = write_bad_lines(std::numeric_limits<std::uint32_t>::max());
  return status ? failures_->commit() : status;
}

// The digest is written first, beside those of the files that may still be there: a process that is
// killed in between, perhaps several times running, must not make its own file look edited by hand.
Status OutputWriter::publish_step(Step step) {
  Output& output = *outputs_[static_cast<int>(step)];
  const fs::path digest_file = digest_path(settings_.dir, step);
  const fs::path temporaries = settings_.dir.temporaries();
  Json digest = {{"sha256", output.hash.finish_hex()},
                 {"previous", digests_of(published_digest(settings_.dir, step))}};
  auto status = write_file_atomically(digest_file, digest.dump() + "\n", Sync::kYes, temporaries);
  if (status) status = output.file.commit();
  if (!status) return status;
  digest.erase("previous");
  digest.update(stat_of(settings_.dir.step_annotations(step)));
  return write_file_atomically(digest_file, digest.dump() + "\n", Sync::kNo, temporaries);
}

Status OutputWriter::publish_copy(Step last) {
  auto copy = AtomicFile::create(settings_.dir.annotations(), settings_.dir.temporaries());
  if (!copy) return tl::unexpected(copy.error());
  auto status = for_each_block(settings_.dir.step_annotations(last),
                               [&](std::string_view bytes) { return copy->append(bytes); });
  return status ? copy->commit() : status;
}

Result<bool> edited_since_published(const ResultsDir& dir, Step step) {
  const fs::path path = dir.step_annotations(step);
  const Json published = published_digest(dir, step);
  const Json now = stat_of(path);
  if (now.empty() || !published.contains("sha256")) return false;
  if (published.value("size", Json()) == now["size"] &&
      published.value("mtime_ns", Json()) == now["mtime_ns"]) {
    return false;
  }
  auto digest = sha256_of_file(path);
  if (!digest) return tl::unexpected(digest.error());
  const Json ours = digests_of(published);
  return std::find(ours.begin(), ours.end(), *digest) == ours.end();
}

Status give_up_edits(const ResultsDir& dir, Step step) {
  auto edited = edited_since_published(dir, step);
  if (!edited) return tl::unexpected(edited.error());
  if (!*edited) return {};
  auto digest = sha256_of_file(dir.step_annotations(step));
  if (!digest) return tl::unexpected(digest.error());
  const Json ours = {{"sha256", *digest}, {"previous", digests_of(published_digest(dir, step))}};
  return write_file_atomically(digest_path(dir, step), ours.dump() + "\n", Sync::kYes,
                               dir.temporaries());
}

}  // namespace alig
