#include "auto_label_image_grounding/run/published_files.h"

#include <algorithm>
#include <array>
#include <system_error>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "auto_label_image_grounding/base/files.h"
#include "auto_label_image_grounding/base/hash.h"

namespace alig {
namespace {

using Json = nlohmann::ordered_json;
namespace fs = std::filesystem;

constexpr std::array kSteps = {Step::kExtraction, Step::kGrounding};

fs::path digest_path(const ResultsDir& dir, Step step) {
  return dir.step_dir(step) / ".published.json";
}

bool is_there(const fs::path& path) {
  std::error_code ignored;
  return fs::exists(path, ignored);
}

// What was noted of a step's file; an empty object where nothing was.
Json read_digest(const ResultsDir& dir, Step step) {
  const auto text = read_file(digest_path(dir, step));
  Json digest = text ? Json::parse(*text, nullptr, false) : Json();
  return digest.is_object() ? digest : Json::object();
}

Status write_digest(const ResultsDir& dir, Step step, const Json& digest, Sync sync) {
  return write_file_atomically(digest_path(dir, step), digest.dump() + "\n", sync,
                               dir.temporaries());
}

// Of all the contents that the file may have although nobody edited it.
Json digests_in(const Json& published) {
  Json out = Json::array();
  if (published.contains("sha256")) out.push_back(published["sha256"]);
  const Json previous = published.value("previous", Json::array());
  out.insert(out.end(), previous.begin(), previous.end());
  return out;
}

bool holds(const Json& digests, const std::string& digest) {
  return std::find(digests.begin(), digests.end(), digest) != digests.end();
}

}  // namespace

Result<bool> edited_since_published(const ResultsDir& dir, Step step) {
  const fs::path path = dir.step_annotations(step);
  const Json published = read_digest(dir, step);
  if (!is_there(path) || !published.contains("sha256")) return false;
  auto digest = sha256_of_file(path);
  if (!digest) return tl::unexpected(digest.error());
  return !holds(digests_in(published), *digest);
}

Status refuse_edited_outputs(const ResultsDir& dir, const std::vector<Step>& steps) {
  for (const Step step : steps) {
    auto edited = edited_since_published(dir, step);
    if (!edited) return tl::unexpected(edited.error());
    if (!*edited) continue;
    const char* keep = step == Step::kExtraction
                           ? "use it with image_grounding.workflow.steps=[\"1\"]"
                           : "move it away to keep it";
    return fail(
        ErrorKind::kInvalidArgument,
        fmt::format("{} was edited since it was written, and this run would replace it: {}, "
                    "or discard it with image_grounding.workflow.force_reprocess=true",
                    dir.step_annotations(step).string(), keep));
  }
  return {};
}

Status give_up_edits(const ResultsDir& dir, Step step) {
  auto edited = edited_since_published(dir, step);
  if (!edited) return tl::unexpected(edited.error());
  if (!*edited) return {};
  auto digest = sha256_of_file(dir.step_annotations(step));
  if (!digest) return tl::unexpected(digest.error());
  return write_digest(dir, step,
                      {{"sha256", *digest}, {"previous", digests_in(read_digest(dir, step))}},
                      Sync::kYes);
}

Status announce(const ResultsDir& dir, Step step, std::string_view sha256) {
  return write_digest(dir, step,
                      {{"sha256", sha256}, {"previous", digests_in(read_digest(dir, step))}},
                      Sync::kYes);
}

Status settle_published(const ResultsDir& dir, const std::vector<Step>& steps) {
  for (const Step step : steps) {
    Json digest = read_digest(dir, step);
    digest.erase("previous");
    if (auto status = write_digest(dir, step, digest, Sync::kNo); !status) return status;
  }
  return {};
}

Result<std::optional<fs::path>> keep_unknown(const ResultsDir& dir, Step step) {
  // An edited one has been refused before the run, or given up.
  const fs::path path = dir.step_annotations(step);
  if (!is_there(path) || read_digest(dir, step).contains("sha256")) return std::nullopt;
  auto digest = sha256_of_file(path);
  if (!digest) return tl::unexpected(digest.error());
  auto kept = keep_previous(path);
  if (!kept) return tl::unexpected(kept.error());
  // It is safe now: a later run may replace it, where this one is killed before it does.
  auto status = write_digest(dir, step, {{"sha256", *digest}}, Sync::kYes);
  if (!status) return tl::unexpected(status.error());
  return *kept;
}

Result<std::optional<fs::path>> keep_unknown_copy(const ResultsDir& dir) {
  const fs::path path = dir.annotations();
  if (!is_there(path)) return std::nullopt;
  Json ours = Json::array();
  for (const Step step : kSteps) {
    for (const Json& digest : digests_in(read_digest(dir, step))) ours.push_back(digest);
  }
  auto digest = sha256_of_file(path);
  if (!digest) return tl::unexpected(digest.error());
  if (holds(ours, *digest)) return std::nullopt;
  auto kept = keep_previous(path);
  if (!kept) return tl::unexpected(kept.error());
  return *kept;
}

}  // namespace alig
